"""People's own quiet hours, as Web Push asks them device by device."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.models import Alert, Channel, Cooldown, Delivery, QuietHours
from alerts.services.channels import create_channel, send_test_message
from alerts.services.evaluation import evaluate_event
from alerts.services.push import public_key
from alerts.services.suppression import load_suppressions
from alerts.silencing import Severity
from cameras.models import StaffCameras
from tests.alerts.judging import waiting_event
from tests.alerts.telling import deliver_now, delivery_to, letters
from tests.factories import AlertFactory, AlertRuleFactory, UserFactory
from tests.fakes.http_server import HttpServer
from tests.fakes.push_browser import Browser

pytestmark = pytest.mark.django_db
NIGHT_IN_TOKYO = {"days": [], "start": "22:00", "end": "06:00", "timezone": "Asia/Tokyo"}
QUIET = "Quiet hours of everybody whom the channel reaches"


@pytest.fixture
def channel() -> Channel:
    """Give a Web Push channel for everybody."""
    public_key()
    return create_channel(name="Push", kind="webpush", config={})


def person(receiver: HttpServer, name: str, *, quiet: bool = False, **hours: Any) -> Any:
    """Make a person with a device, whose quiet hours it is where wanted."""
    user = UserFactory(username=name, role="viewer")
    Browser().subscribe(receiver, user, path=f"/push/{name}")
    if quiet:
        QuietHours.objects.create(user=user, schedule=_now(), **hours)
    return user


def _now() -> dict[str, Any]:
    """Give a span of the day that holds now, whenever the test runs."""
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=2), now + timedelta(hours=2)
    return {"days": [], "start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "timezone": "UTC"}


def told(receiver: HttpServer) -> list[str]:
    return [request.target.rpartition("/")[2] for request in receiver.requests]


def test_devices_of_those_whose_hours_it_is_are_left_out(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)
    person(receiver, "bob")

    outcome = deliver_now(delivery_to(channel))

    assert told(receiver) == ["bob"]
    assert outcome.outcome == "delivered"
    assert outcome.error == "1 of 2 devices were told; 1 belong to people whose quiet hours it is"


def test_message_that_would_reach_nobody_else_is_skipped_with_the_reason(
    receiver: HttpServer, channel: Channel
) -> None:
    person(receiver, "ann", quiet=True)
    delivery = delivery_to(channel)

    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state, delivery.reason, delivery.due_at) == ("skipped", "skipped", QUIET, None)
    assert receiver.requests == [] and letters() == []


@pytest.mark.parametrize(("critical_passes", "reached"), [(True, ["ann"]), (False, [])])
def test_critical_passes_unless_told_otherwise(
    receiver: HttpServer, channel: Channel, critical_passes: bool, reached: list[str]
) -> None:
    person(receiver, "ann", quiet=True, critical_passes=critical_passes)

    deliver_now(delivery_to(channel, alert=AlertFactory(severity="critical")))

    assert told(receiver) == reached


def test_test_comes_in_quiet_hours_too(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)

    assert send_test_message(channel.pk).all_successful
    assert told(receiver) == ["ann"]


def test_notice_about_the_product_is_no_critical_alert(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)
    notice = {"channel": "Mail", "reason": "It is gone"}

    outcome = deliver_now(delivery_to(channel, alert=None, purpose="notice", notice=notice))

    assert outcome.outcome == "skipped"


def test_alert_that_nobody_is_to_be_told_of_is_suppressed_and_starts_no_cooldown(
    receiver: HttpServer, channel: Channel
) -> None:
    person(receiver, "ann", quiet=True)
    AlertRuleFactory(channels=[channel])

    evaluate_event(waiting_event().pk)

    alert = Alert.objects.get()
    assert (alert.status, alert.suppression_reason) == ("suppressed", QUIET)
    assert (Cooldown.objects.count(), Delivery.objects.count()) == (0, 0)


def test_alert_that_somebody_is_to_be_told_of_is_sent_to_them(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)
    person(receiver, "bob")
    AlertRuleFactory(channels=[channel])

    evaluate_event(waiting_event().pk)

    deliver_now(Delivery.objects.get())
    assert (Alert.objects.get().status, told(receiver)) == ("delivered", ["bob"])


def test_hours_of_people_whom_the_channel_is_not_meant_for_count_for_nothing(receiver: HttpServer) -> None:
    public_key()
    person(receiver, "ann", quiet=True)
    person(receiver, "bob")
    of_ann = create_channel(name="Ann's", kind="webpush", config={"users": ["ann"]})
    of_bob = create_channel(name="Bob's", kind="webpush", config={"users": ["bob"]})

    outcomes = [deliver_now(delivery_to(channel)).outcome for channel in (of_ann, of_bob)]

    assert outcomes == ["skipped", "delivered"]


def test_the_channels_own_quiet_hours_are_asked_too(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann")
    QuietHours.objects.create(channel=channel, schedule=_now())
    AlertRuleFactory(channels=[channel])

    evaluate_event(waiting_event().pk)

    assert Alert.objects.get().suppression_reason.startswith("Quiet hours: ")


def test_hours_are_those_of_the_persons_own_zone(receiver: HttpServer, channel: Channel) -> None:
    ann = person(receiver, "ann")
    at = datetime(2026, 7, 1, 14, 0, tzinfo=UTC)  # 23:00 in Tokyo
    QuietHours.objects.create(user=ann, schedule=NIGHT_IN_TOKYO, counts_from=at - timedelta(days=1))

    def reason(severity: Severity, *, at: datetime) -> str:
        found = load_suppressions(since=at, dedup_keys=[], channel_ids=[channel.pk])
        return found.quiet_reason(channel.pk, severity=severity, at=at)

    assert reason(Severity.HIGH, at=at) == QUIET
    assert reason(Severity.CRITICAL, at=at) == ""
    assert reason(Severity.HIGH, at=at + timedelta(hours=8)) == ""


def test_hours_that_are_switched_off_hold_nothing_back(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True, enabled=False)

    assert deliver_now(delivery_to(channel)).outcome == "delivered"


def test_people_without_quiet_hours_cost_an_evaluation_no_further_query(
    receiver: HttpServer, channel: Channel, django_assert_num_queries: Any
) -> None:
    person(receiver, "ann")

    with django_assert_num_queries(1):
        load_suppressions(since=datetime.now(UTC), dedup_keys=["x"], channel_ids=[channel.pk])


def test_people_who_may_not_see_the_camera_are_not_among_those_reached(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)
    bob = person(receiver, "bob")
    StaffCameras.objects.limit(bob.pk, camera_ids=["another"])

    outcome = deliver_now(delivery_to(channel))

    assert outcome.outcome == "skipped" and receiver.requests == []


def test_digest_waits_and_goes_on_gathering(receiver: HttpServer, channel: Channel) -> None:
    person(receiver, "ann", quiet=True)
    digest = delivery_to(channel, alert=None, purpose="digest", gathering=True)
    delivery_to(channel, state="digested", due_at=None, told_by=digest)

    outcome = deliver_now(digest)

    assert (outcome.outcome, digest.state, digest.gathering) == ("held", "pending", True)
    QuietHours.objects.get_queryset().delete()
    assert deliver_now(digest).outcome == "delivered"
