"""An escalation step that comes while something keeps alerts back: skipped with the reason, or waiting for a snooze."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.timezone import localtime

from alerts.models import Alert, Channel, Delivery, Escalation, QuietHours
from alerts.services.escalation import escalate_alert
from alerts.services.evaluation import evaluate_event
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert, snooze_alert
from alerts.services.silences import create_silence
from tests.alerts.connections import run_apart, somebody_waits_for_us
from tests.alerts.judging import grow, waiting_event
from tests.alerts.test_escalation import chain, due, fire
from tests.factories import AlertFactory, AlertRuleFactory, ChannelFactory, UserFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
ALL_DAY = {"days": [], "start": "00:00", "end": "24:00", "timezone": "Asia/Tokyo"}


def quiet(channel: Channel, **fields: Any) -> None:
    QuietHours.objects.create(channel=channel, schedule=ALL_DAY, **fields)


def silence(**fields: Any) -> None:
    create_silence(fields={"ends_at": timezone.now() + timedelta(hours=1), "comment": "Guests", **fields}, by="ada")


def outcomes() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("channel_name", "state"))


class TestQuietHours:
    def test_a_quiet_channel_is_skipped_with_the_reason_and_the_next_step_still_comes(self) -> None:
        asleep, awake = ChannelFactory(name="asleep"), ChannelFactory(name="awake")
        quiet(asleep)
        chain((60, asleep), (60, awake))
        escalation = fire()

        escalate_alert(due(escalation))
        escalate_alert(due(escalation))

        assert outcomes() == [("asleep", "skipped"), ("awake", "pending")]
        skipped = Delivery.objects.get(channel=asleep)
        assert (skipped.reason, skipped.step) == ("Quiet hours: 00:00-24:00 Asia/Tokyo, every day", 1)

    @pytest.mark.parametrize(("critical_passes", "state"), [(True, "pending"), (False, "skipped")])
    def test_critical_passes_unless_told_otherwise(self, critical_passes: bool, state: str) -> None:  # noqa: FBT001
        channel = ChannelFactory(name="asleep")
        quiet(channel, critical_passes=critical_passes)
        chain((60, channel), severity="critical")

        escalate_alert(due(fire()))

        assert outcomes() == [("asleep", state)]


class TestSilences:
    def test_a_silence_skips_the_step_with_the_reason(self) -> None:
        chain((60, ChannelFactory(name="boss")))
        escalation = fire()
        silence(camera_ids=[Alert.objects.get().camera_id])

        escalate_alert(due(escalation))

        assert outcomes() == [("boss", "skipped")]
        assert Delivery.objects.get().reason.endswith("UTC: Guests")

    def test_who_silences_cats_is_told_of_what_a_person_did(self) -> None:
        chain((60, ChannelFactory(name="boss")), object_types=["person", "cat"])
        event = waiting_event("cat")
        evaluate_event(event.pk)
        silence(object_types=["cat"])
        grow(event, object_type="person")

        escalate_alert(due(Escalation.objects.get()))

        assert outcomes() == [("boss", "pending")]

    def test_only_what_the_rule_asks_for_is_looked_at(self) -> None:
        chain((60, ChannelFactory(name="boss")), object_types=["cat"])
        event = waiting_event("cat", "person")
        evaluate_event(event.pk)
        silence(object_types=["cat"])

        escalate_alert(due(Escalation.objects.get()))

        assert outcomes() == [("boss", "skipped")]


class TestSnoozes:
    def test_a_step_waits_for_the_end_of_the_snooze_and_says_so(self, client_as: Any) -> None:
        chain((60, ChannelFactory(name="boss")))
        escalation = fire()
        snooze_alert(escalation.alert_id, minutes=30, by=UserFactory())

        held = escalate_alert(due(escalation)).held

        escalation.refresh_from_db()
        alert = Alert.objects.get()
        assert (outcomes(), escalation.position) == ([], 1)
        assert escalation.due_at is not None and alert.snoozed_until is not None
        assert abs(escalation.due_at - alert.snoozed_until) < timedelta(seconds=5)
        assert (
            held == escalation.reason == f"Alert {alert.pk} is snoozed until {alert.snoozed_until:%Y-%m-%d %H:%M} UTC"
        )
        shown = client_as("viewer").get(f"/api/alerts/{alert.pk}").json()["escalation"]
        assert (shown["step"], shown["reason"]) == (1, held)
        page = Client()
        page.force_login(UserFactory(is_superuser=True))
        told = page.get(f"/admin/alerts/alert/{alert.pk}/change/").content.decode()
        assert f"Step 1 at {localtime(escalation.due_at):%Y-%m-%d %H:%M:%S} ({held})" in told

    def test_after_the_snooze_the_step_is_taken_once(self) -> None:
        chain((60, ChannelFactory(name="boss")))
        escalation = fire()
        snooze_alert(escalation.alert_id, minutes=30, by=UserFactory())
        escalate_alert(due(escalation))
        Alert.objects.update(snoozed_until=timezone.now())

        escalate_alert(due(escalation))

        escalation.refresh_from_db()
        assert (outcomes(), escalation.due_at, escalation.reason) == ([("boss", "pending")], None, "")

    @pytest.mark.parametrize(
        "end",
        [
            lambda alert: dismiss_alert(alert.pk, by=UserFactory()),
            lambda alert: snooze_alert(alert.pk, minutes=1, by=UserFactory()),
        ],
    )
    def test_a_snooze_that_ends_earlier_holds_a_step_up_no_longer(self, end: Any) -> None:
        chain((60, ChannelFactory(name="boss")))
        escalation = fire()
        alert = Alert.objects.get()
        other = AlertFactory(event__camera=alert.camera, rule__severity=alert.severity, dedup_key=alert.dedup_key)
        snooze_alert(other.pk, minutes=600, by=UserFactory())
        escalate_alert(due(escalation))

        end(other)
        escalate_alert(escalation.pk)

        escalation.refresh_from_db()
        assert escalation.due_at is None or escalation.due_at < timezone.now() + timedelta(minutes=2)
        assert outcomes() == ([("boss", "pending")] if escalation.due_at is None else [])

    @pytest.mark.parametrize("act", [acknowledge_alert, dismiss_alert])
    def test_an_answer_during_the_snooze_ends_it(self, act: Any) -> None:
        chain((60, ChannelFactory()))
        escalation = fire()
        snooze_alert(escalation.alert_id, minutes=30, by=UserFactory())
        escalate_alert(due(escalation))
        act(escalation.alert_id, by=UserFactory())

        assert escalate_alert(due(escalation)).stopped
        assert outcomes() == []

    def test_a_snoozed_alert_of_a_lower_severity_under_the_same_key_holds_nothing_up(self) -> None:
        chain((60, ChannelFactory(name="boss")), severity="high")
        escalation = fire()
        alert = Alert.objects.get()
        other = AlertFactory(event__camera=alert.camera, rule__severity="low", dedup_key=alert.dedup_key)
        snooze_alert(other.pk, minutes=30, by=UserFactory())

        escalate_alert(due(escalation))

        assert outcomes() == [("boss", "pending")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["dismiss", "snooze", "deliver"])
def test_a_step_and_an_answer_at_once_never_wait_in_a_circle(asked: Any, act: str) -> None:
    """The step waits for the deliveries that the other one holds, and has not locked the alert meanwhile."""
    channel = ChannelFactory()
    AlertRuleFactory(name="Direct", channels=[channel])
    chain((60, ChannelFactory()))
    event = waiting_event()
    evaluate_event(event.pk)
    escalation = Escalation.objects.get()
    delivery = Delivery.objects.get(channel=channel)
    Delivery.objects.filter(pk=delivery.pk).update(alert=escalation.alert)
    row, locked = due(escalation), threading.Event()

    def work(number: int) -> Any:
        if number == 1:
            assert locked.wait(10)
            return escalate_alert(row)
        with transaction.atomic():
            list(Delivery.objects.select_for_update(no_key=True).filter(pk=delivery.pk))
            locked.set()
            wait_until(somebody_waits_for_us)
            if act == "dismiss":
                dismiss_alert(escalation.alert_id, by=UserFactory())
            elif act == "snooze":
                snooze_alert(escalation.alert_id, minutes=5, by=UserFactory())
            else:
                Alert.objects.mark_all_delivered([escalation.alert_id])
        return None

    _, result = run_apart(work, workers=2)

    assert result.error is None
    assert result.alert_id == escalation.alert_id
