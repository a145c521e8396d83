"""What becomes of alerts."""

from collections.abc import Callable

import pytest

from alerts.models import Alert
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert
from siteadmin.core.exceptions import AlertNotFoundError, InvalidStateTransitionError, VersionConflictError
from tests.alerts.connections import run_apart
from tests.factories import AlertFactory, DeliveryFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", ["pending", "delivered"])
def test_acknowledging_records_who_when_and_why(status: str) -> None:
    alert = AlertFactory(status=status)

    known = acknowledge_alert(alert.pk, by=UserFactory(username="ada"), note="The postman")

    assert (known.status, known.acknowledged_by, known.note) == ("acknowledged", "ada", "The postman")
    assert known.acknowledged_at is not None
    assert known.version == alert.version + 1


@pytest.mark.parametrize("status", ["acknowledged", "dismissed", "suppressed"])
def test_from_any_other_state_nothing_is_acknowledged(status: str) -> None:
    alert = AlertFactory(status=status, note="as it was")

    with pytest.raises(InvalidStateTransitionError) as refusal:
        acknowledge_alert(alert.pk, by=UserFactory(), note="new")

    alert.refresh_from_db()
    assert (alert.status, alert.note, alert.version) == (status, "as it was", 1)
    assert refusal.value.details["status"] == status


@pytest.mark.parametrize("status", ["pending", "delivered", "acknowledged"])
def test_dismissing_records_who_and_keeps_who_acknowledged(status: str) -> None:
    alert = AlertFactory(status=status, acknowledged_by="bob")

    gone = dismiss_alert(alert.pk, by=UserFactory(username="ada"))

    assert (gone.status, gone.dismissed_by, gone.acknowledged_by) == ("dismissed", "ada", "bob")
    assert gone.dismissed_at is not None


def test_dismissing_skips_what_waits_to_be_sent_and_nothing_else() -> None:
    alert = AlertFactory()
    deliveries = {
        state: DeliveryFactory(alert=alert, state=state)
        for state in ("pending", "parked", "sending", "delivered", "failed")
    }
    other = DeliveryFactory()

    dismiss_alert(alert.pk, by=UserFactory())

    for delivery in (*deliveries.values(), other):
        delivery.refresh_from_db()
    assert [delivery.state for delivery in deliveries.values()] == [
        "skipped",
        "skipped",
        "sending",
        "delivered",
        "failed",
    ]
    assert deliveries["pending"].due_at is None
    assert other.state == "pending"


def test_a_refused_dismissal_skips_nothing() -> None:
    delivery = DeliveryFactory(alert__status="dismissed")

    with pytest.raises(InvalidStateTransitionError):
        dismiss_alert(delivery.alert_id, by=UserFactory())

    delivery.refresh_from_db()
    assert delivery.state == "pending"


@pytest.mark.parametrize("act", [acknowledge_alert, dismiss_alert])
def test_a_stale_version_is_a_conflict_of_versions(act: Callable[..., Alert]) -> None:
    alert = AlertFactory(version=3)

    with pytest.raises(VersionConflictError):
        act(alert.pk, by=UserFactory(), version=2)

    alert.refresh_from_db()
    assert (alert.status, alert.version) == ("pending", 3)


@pytest.mark.parametrize("act", [acknowledge_alert, dismiss_alert])
def test_an_alert_that_does_not_exist_is_not_found(act: Callable[..., Alert]) -> None:
    with pytest.raises(AlertNotFoundError):
        act(12345, by=UserFactory())


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_acknowledges() -> None:
    alert, users = AlertFactory(), UserFactory.create_batch(8)

    def work(number: int) -> bool:
        try:
            acknowledge_alert(alert.pk, by=users[number])
        except InvalidStateTransitionError:
            return False
        return True

    assert sum(run_apart(work, workers=8)) == 1
