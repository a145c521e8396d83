"""What keeps alerts from being told: each leaves a record with its reason, none starts a cooldown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert, Cooldown, Delivery, QuietHours, Silence
from alerts.services.evaluation import evaluate_event
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert, snooze_alert
from alerts.services.silences import (
    create_silence,
    delete_silence,
    snooze_camera,
    snooze_rule,
    update_silence,
)
from alerts.suppression_repositories import read_suppressions
from siteadmin.core.exceptions import CameraNotFoundError, SilenceNotFoundError, ValidationError
from tests.alerts.judging import decision, grow, waiting_event
from tests.factories import (
    AlertFactory,
    AlertRuleFactory,
    CameraFactory,
    ChannelFactory,
    DeliveryFactory,
    UserFactory,
    ZoneFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def silence(**fields: Any) -> Silence:
    return create_silence(fields={"ends_at": timezone.now() + HOUR, **fields}, by="ada")


def quiet_now(**fields: Any) -> QuietHours:
    return QuietHours.objects.create(
        schedule={"days": [], "start": "00:00", "end": "24:00", "timezone": "Asia/Tokyo"}, **fields
    )


class TestSilences:
    def test_what_is_silenced_is_recorded_with_the_reason_and_starts_no_cooldown(self) -> None:
        rule = AlertRuleFactory(channels=[ChannelFactory()])
        event = waiting_event()
        made = silence(camera_ids=[event.camera_id], comment="The gardener")

        evaluate_event(event.pk)

        alert = Alert.objects.get()
        assert alert.status == "suppressed"
        assert alert.suppression_reason == f"Silenced until {made.ends_at:%Y-%m-%d %H:%M} UTC: The gardener"
        assert decision(event, rule).outcome == "suppressed"
        assert not Cooldown.objects.exists()
        assert not Delivery.objects.exists()
        delete_silence(made.pk)
        evaluate_event(waiting_event(camera=event.camera).pk)
        assert Alert.objects.filter(status="pending").count() == 1

    @pytest.mark.parametrize(
        ("matchers", "is_silent"),
        [
            ({"severities": ["high"]}, True),
            ({"severities": ["low"]}, False),
            ({"object_types": ["cat"]}, True),
            ({"object_types": ["dog"]}, False),
            ({"severities": ["high"], "object_types": ["dog"]}, False),
        ],
    )
    def test_all_matchers_that_are_set_must_match(self, matchers: Any, is_silent: bool) -> None:  # noqa: FBT001
        AlertRuleFactory(severity="high")
        silence(**matchers)

        evaluate_event(waiting_event("cat").pk)

        assert (Alert.objects.get().status == "suppressed") is is_silent

    def test_who_silences_cats_is_told_of_a_person(self) -> None:
        AlertRuleFactory()
        silence(object_types=["cat"])

        evaluate_event(waiting_event("cat", "person").pk)

        assert Alert.objects.get().status == "pending"

    def test_a_zone_is_silent_where_each_object_stands_in_it(self) -> None:
        AlertRuleFactory()
        zone = ZoneFactory()
        silence(zone_ids=[zone.pk])
        inside, partly = waiting_event(camera=zone.camera), waiting_event(camera=zone.camera)
        inside.detections.update(zones=[zone.pk])
        partly.detections.update(zones=[zone.pk])
        grow(partly, zones=[])

        evaluate_event(inside.pk)
        evaluate_event(partly.pk)

        assert [inside.alerts.get().status, partly.alerts.get().status] == ["suppressed", "pending"]

    def test_one_to_come_and_one_that_is_over_silence_nothing(self) -> None:
        rule = AlertRuleFactory()
        silence(rule_ids=[rule.pk], starts_at=timezone.now() + HOUR / 2)
        over = silence(rule_ids=[rule.pk])
        Silence.objects.filter(pk=over.pk).update(starts_at=timezone.now() - 2 * HOUR, ends_at=timezone.now() - HOUR)

        evaluate_event(waiting_event().pk)

        assert Alert.objects.get().status == "pending"

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "camera_ids"),
            ({"severities": ["low"], "ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends_at"),
            ({"rule_ids": [404]}, "rule_ids.0"),
            ({"camera_ids": ["nowhere"]}, "camera_ids.0"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, fields: Any, field: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            silence(**fields)

        assert refusal.value.errors[0]["field"] == field

    def test_what_it_once_was_stays_known(self) -> None:
        made = silence(severities=["low"])
        then = timezone.now()

        update_silence(made.pk, fields={"severities": ["high"]})
        later = timezone.now()
        delete_silence(made.pk)

        for at, severities in ((then, ["low"]), (later, ["high"])):
            found = read_suppressions(since=at, until=at, dedup_keys=[], channel_ids=[])
            assert [one.severities for one in found.silences] == [severities]
        assert not Silence.objects.current().exists()
        with pytest.raises(SilenceNotFoundError):
            delete_silence(made.pk)

    def test_a_snoozed_camera_and_a_snoozed_rule_are_silent_for_so_long(self) -> None:
        rule, camera = AlertRuleFactory(), CameraFactory()

        snooze_camera(camera.pk, minutes=30, by="ada")
        evaluate_event(waiting_event(camera=camera).pk)
        snooze_rule(rule.pk, minutes=30, by="ada")
        evaluate_event(waiting_event().pk)

        assert set(Alert.objects.values_list("status", flat=True)) == {"suppressed"}
        assert Silence.objects.current().first().ends_at > timezone.now() + timedelta(minutes=29)  # type: ignore[union-attr]
        with pytest.raises(CameraNotFoundError):
            snooze_camera("nowhere", minutes=1, by="ada")


class TestSnoozedAlerts:
    def test_nothing_more_is_told_under_its_key_but_what_is_worse(self) -> None:
        camera = CameraFactory()
        AlertRuleFactory(dedup_key_template="{camera_id}", cooldown_seconds=0)
        evaluate_event(waiting_event(camera=camera).pk)
        first = Alert.objects.get()

        snooze_alert(first.pk, minutes=10, by=UserFactory(username="ada"), note="Guests")
        evaluate_event(waiting_event(camera=camera).pk)
        AlertRuleFactory(dedup_key_template="{camera_id}", severity="critical")
        evaluate_event(waiting_event(camera=camera).pk)

        first.refresh_from_db()
        assert (first.snoozed_by, first.note, first.version) == ("ada", "Guests", 2)
        statuses = list(Alert.objects.order_by("pk").values_list("severity", "status"))
        assert statuses[:2] == [("medium", "pending"), ("medium", "suppressed")]
        assert ("critical", "pending") in statuses

    @pytest.mark.parametrize(
        ("end", "status"),
        [
            (lambda alert: dismiss_alert(alert.pk, by=UserFactory()), "pending"),
            (lambda alert: acknowledge_alert(alert.pk, by=UserFactory()), "suppressed"),
        ],
    )
    def test_dismissing_ends_it_and_acknowledging_does_not(self, end: Any, status: str) -> None:
        camera = CameraFactory()
        AlertRuleFactory(dedup_key_template="{camera_id}", cooldown_seconds=0)
        evaluate_event(waiting_event(camera=camera).pk)
        first = snooze_alert(Alert.objects.get().pk, minutes=60, by=UserFactory())

        end(first)
        evaluate_event(waiting_event(camera=camera).pk)

        assert Alert.objects.exclude(pk=first.pk).get().status == status
        first.refresh_from_db()
        assert first.snoozed_at is not None and first.snoozed_until is not None
        assert (first.snoozed_until - first.snoozed_at < timedelta(minutes=1)) == (status == "pending")

    def test_dismissing_what_was_never_snoozed_notes_no_snooze(self) -> None:
        assert dismiss_alert(AlertFactory().pk, by=UserFactory()).snoozed_until is None

    def test_what_waits_to_be_sent_waits_until_then(self) -> None:
        waiting, sent = DeliveryFactory(), DeliveryFactory(state="delivered", due_at=None)

        for one in (waiting, sent):
            snooze_alert(one.alert_id, minutes=10, by=UserFactory())

        waiting.refresh_from_db()
        sent.refresh_from_db()
        assert waiting.due_at > timezone.now() + timedelta(minutes=9)
        assert (waiting.state, sent.due_at) == ("pending", None)

    def test_snoozing_for_less_brings_forward_what_the_longer_snooze_held_and_nothing_else(self) -> None:
        held = DeliveryFactory()
        failed = DeliveryFactory(alert=held.alert, due_at=timezone.now() + timedelta(minutes=40))
        snooze_alert(held.alert_id, minutes=600, by=UserFactory())
        Delivery.objects.filter(pk=failed.pk).update(due_at=timezone.now() + timedelta(minutes=700))

        snooze_alert(held.alert_id, minutes=5, by=UserFactory())

        held.refresh_from_db()
        failed.refresh_from_db()
        assert timedelta(minutes=4) < held.due_at - timezone.now() < timedelta(minutes=6)
        assert failed.due_at - timezone.now() > timedelta(minutes=690)


class TestQuietHours:
    def test_an_alert_whose_channels_are_all_quiet_is_recorded_with_the_reason(self) -> None:
        channels = [ChannelFactory(), ChannelFactory()]
        AlertRuleFactory(channels=channels)
        for channel in channels:
            quiet_now(channel=channel)

        evaluate_event(waiting_event().pk)

        alert = Alert.objects.get()
        assert alert.status == "suppressed"
        assert alert.suppression_reason == "Quiet hours: 00:00-24:00 Asia/Tokyo, every day"
        assert not Cooldown.objects.exists()

    def test_a_quiet_channel_is_skipped_with_the_reason_and_the_others_are_used(self) -> None:
        quiet, other = ChannelFactory(), ChannelFactory()
        AlertRuleFactory(channels=[quiet, other])
        quiet_now(channel=quiet)

        evaluate_event(waiting_event().pk)

        assert {one.channel_id: one.state for one in Delivery.objects.all()} == {
            quiet.pk: "skipped",
            other.pk: "pending",
        }
        skipped = Delivery.objects.get(channel=quiet)
        assert skipped.reason.startswith("Quiet hours")
        assert skipped.due_at is None

    @pytest.mark.parametrize(("critical_passes", "status"), [(True, "pending"), (False, "suppressed")])
    def test_critical_passes_unless_told_otherwise(self, critical_passes: bool, status: str) -> None:  # noqa: FBT001
        channel = ChannelFactory()
        AlertRuleFactory(channels=[channel], severity="critical")
        quiet_now(channel=channel, critical_passes=critical_passes)

        evaluate_event(waiting_event().pk)

        assert Alert.objects.get().status == status
