"""Rules judged for events: what fires, what does not, and that each is decided once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu.utils.json import dumps, loads

from alerts.models import Alert, AlertRule, Delivery, RuleDecision
from alerts.results import EvaluationResult
from alerts.services.evaluation import evaluate_event
from events.models import Event
from siteadmin.core.pipeline import Step
from tests.alerts.judging import decision, grow, waiting_event, why_not_yet
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory, EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("asked")]


class TestFiring:
    def test_a_rule_that_holds_makes_an_alert_with_all_it_is_to_tell(self) -> None:
        rule = AlertRuleFactory(risk_threshold=40, severity="high", name="Somebody")
        event = waiting_event(risk_score=50)

        evaluate_event(event.pk)

        alert = Alert.objects.get()
        assert (alert.event, alert.rule, alert.rule_name, alert.camera) == (event, rule, "Somebody", event.camera)
        assert (alert.severity, alert.status) == ("high", "pending")
        assert alert.dedup_key == f"{event.camera_id}:{rule.pk}"
        assert alert.matched_conditions == ["risk score 50 is at least 40"]

    def test_each_channel_gets_a_delivery_that_is_asked_for(
        self, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Any
    ) -> None:
        channels = [ChannelFactory(), ChannelFactory(kind="webhook")]
        AlertRuleFactory(channels=channels)
        event = waiting_event()

        with django_capture_on_commit_callbacks(execute=True):
            evaluate_event(event.pk)

        deliveries = Delivery.objects.order_by("channel_id")
        assert [delivery.channel for delivery in deliveries] == channels
        assert {delivery.state for delivery in deliveries} == {"pending"}
        assert all(delivery.due_at and delivery.idempotency_key.startswith("msg_") for delivery in deliveries)
        assert sorted(asked) == [(Step.DELIVER, delivery.pk) for delivery in deliveries]

    def test_a_channel_that_is_off_gets_a_parked_delivery_that_nobody_asks_for(
        self, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Any
    ) -> None:
        AlertRuleFactory(channels=[ChannelFactory(enabled=False)])
        event = waiting_event()

        with django_capture_on_commit_callbacks(execute=True):
            evaluate_event(event.pk)

        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.due_at, asked) == ("parked", None, [])

    def test_without_channels_the_alert_stays_pending(self) -> None:
        AlertRuleFactory()

        evaluate_event(waiting_event().pk)

        assert (Alert.objects.get().status, Delivery.objects.count()) == ("pending", 0)

    def test_a_demo_camera_reaches_the_inbox_alone(self) -> None:
        inbox = ChannelFactory()
        AlertRuleFactory(channels=[inbox, ChannelFactory(kind="webhook"), ChannelFactory(kind="email")])

        evaluate_event(waiting_event(camera=CameraFactory(demo=True)).pk)

        assert [delivery.channel for delivery in Delivery.objects.all()] == [inbox]

    def test_the_result_names_what_fired_and_what_did_not(self) -> None:
        low, high = AlertRuleFactory(severity="low"), AlertRuleFactory(severity="high")
        other = AlertRuleFactory(object_types=["car"])
        event = waiting_event()

        result = evaluate_event(event.pk)

        assert result.has_triggers
        assert result.highest_severity == "high"
        assert [one.rule_id for one in result.triggered_rules] == [low.pk, high.pk]
        (skip,) = result.skipped_rules
        assert (skip.rule_id, skip.outcome, skip.reason) == (other.pk, "not_yet", "No car was seen, but person")

    def test_the_result_comes_through_the_broker_as_it_was(self) -> None:
        AlertRuleFactory(risk_threshold=40), AlertRuleFactory(object_types=["car"])
        result = evaluate_event(waiting_event().pk)

        received = loads(dumps(result))

        assert received == result
        assert received.has_triggers

    def test_the_key_tells_of_the_surest_detection(self) -> None:
        AlertRuleFactory(dedup_key_template="{object_type}/{zone}", zone_ids=[4, 7], object_types=["person", "car"])
        event = waiting_event("cat")
        grow(event, object_type="person", confidence=0.6, zones=[7])
        grow(event, object_type="car", confidence=0.8, zones=[1, 4])

        evaluate_event(event.pk)

        assert Alert.objects.get().dedup_key == "car/4"

    def test_a_rule_that_is_off_decides_nothing(self) -> None:
        AlertRuleFactory(enabled=False)

        evaluate_event(waiting_event().pk)

        assert not RuleDecision.objects.exists()


class TestDecidedOnce:
    def test_a_second_evaluation_adds_nothing(self) -> None:
        rule = AlertRuleFactory(channels=[ChannelFactory()])
        event = waiting_event()
        evaluate_event(event.pk)
        Event.objects.wait_again(event.pk)

        result = evaluate_event(event.pk)

        assert result == EvaluationResult(event.pk)
        assert (Alert.objects.count(), Delivery.objects.count()) == (1, 1)
        assert decision(event, rule).outcome == "fired"

    def test_an_event_that_does_not_wait_is_left_alone(self) -> None:
        AlertRuleFactory()
        event = EventFactory()

        assert evaluate_event(event.pk) == EvaluationResult(event.pk)
        assert not Alert.objects.exists()

    def test_an_event_that_does_not_exist_is_nothing_to_do(self) -> None:
        assert evaluate_event(12345) == EvaluationResult(12345)

    def test_a_later_detection_can_make_a_rule_hold(self) -> None:
        rule = AlertRuleFactory(object_types=["person"], min_confidence=0.8)
        event = waiting_event("cat")
        evaluate_event(event.pk)
        assert why_not_yet(event, rule) == "No person was seen, but cat"
        grow(event, object_type="person", confidence=0.5)
        evaluate_event(event.pk)
        assert "the highest is 0.5" in why_not_yet(event, rule)
        grow(event, object_type="person", confidence=0.9)

        evaluate_event(event.pk)

        assert decision(event, rule).outcome == "fired"
        assert Alert.objects.get().event == event

    def test_a_rule_made_later_is_judged_too(self) -> None:
        event = waiting_event()
        evaluate_event(event.pk)
        rule = AlertRuleFactory()
        Event.objects.wait_again(event.pk)

        evaluate_event(event.pk)

        assert decision(event, rule).outcome == "fired"

    def test_a_duplicate_is_counted_once_on_the_first_alert_and_never_becomes_one(self) -> None:
        rule = AlertRuleFactory(cooldown_seconds=300)
        camera = CameraFactory()
        evaluate_event(waiting_event(camera=camera).pk)
        first = Alert.objects.get()
        event = waiting_event(camera=camera)
        evaluate_event(event.pk)
        AlertRule.objects.filter(pk=rule.pk).update(cooldown_seconds=0)
        Event.objects.wait_again(event.pk)

        evaluate_event(event.pk)

        first.refresh_from_db()
        assert (Alert.objects.count(), first.suppressed_count) == (1, 1)
        assert (decision(event, rule).outcome, decision(event, rule).alert) == ("duplicate", first)
        assert decision(event, rule).reason == f"Within the cooldown of alert {first.pk}"

    def test_rules_that_share_a_key_make_one_alert_of_the_highest_severity(self) -> None:
        low = AlertRuleFactory(severity="low", dedup_key_template="{camera_id}")
        high = AlertRuleFactory(severity="high", dedup_key_template="{camera_id}")
        event = waiting_event()

        evaluate_event(event.pk)

        alert = Alert.objects.get()
        assert (alert.rule, alert.suppressed_count) == (high, 1)
        assert (decision(event, low).outcome, decision(event, low).alert) == ("duplicate", alert)

    def test_without_cooldown_every_event_fires(self) -> None:
        AlertRuleFactory(cooldown_seconds=0)
        camera = CameraFactory()

        for _ in range(3):
            evaluate_event(waiting_event(camera=camera).pk)

        assert Alert.objects.count() == 3


class TestLate:
    @pytest.mark.parametrize(
        ("age", "seen"),
        [(timedelta(minutes=11), "11 minutes"), (timedelta(minutes=10, seconds=2), "more than 10 minutes")],
    )
    def test_what_arrived_late_is_recorded_and_nobody_is_told(self, settings: Any, age: timedelta, seen: str) -> None:
        settings.LATE_AFTER = timedelta(minutes=10)
        rule = AlertRuleFactory(channels=[ChannelFactory()])
        event = waiting_event("cat")
        event.detections.update(detected_at=timezone.now() - age)

        evaluate_event(event.pk)

        alert = Alert.objects.get()
        assert (alert.status, Delivery.objects.count()) == ("suppressed", 0)
        assert alert.suppression_reason == f"Late: seen {seen} before it arrived, the limit is 10 minutes"
        assert decision(event, rule).outcome == "suppressed"

    def test_it_starts_no_cooldown(self, settings: Any) -> None:
        settings.LATE_AFTER = timedelta(minutes=10)
        AlertRuleFactory()
        late = waiting_event("cat")
        late.detections.update(detected_at=timezone.now() - timedelta(hours=1))
        evaluate_event(late.pk)

        evaluate_event(waiting_event(camera=late.camera).pk)

        assert sorted(alert.status for alert in Alert.objects.all()) == ["pending", "suppressed"]

    def test_with_a_limit_of_zero_nothing_is_late(self, settings: Any) -> None:
        settings.LATE_AFTER = timedelta(0)
        AlertRuleFactory()
        event = waiting_event()
        event.detections.update(detected_at=timezone.now() - timedelta(days=400))

        evaluate_event(event.pk)

        assert Alert.objects.get().status == "pending"

    def test_one_detection_in_time_is_enough(self, settings: Any) -> None:
        settings.LATE_AFTER = timedelta(minutes=10)
        AlertRuleFactory()
        event = waiting_event()
        event.detections.update(detected_at=timezone.now() - timedelta(hours=1))
        grow(event, confidence=0.5)

        evaluate_event(event.pk)

        assert Alert.objects.get().status == "pending"

    def test_a_rule_held_back_and_one_that_fires_are_written_together(self, settings: Any) -> None:
        settings.LATE_AFTER = timedelta(minutes=10)
        AlertRuleFactory(object_types=["cat"]), AlertRuleFactory(object_types=["person"])
        event = waiting_event("cat")
        event.detections.update(detected_at=timezone.now() - timedelta(hours=1))
        grow(event, object_type="person")

        result = evaluate_event(event.pk)

        assert (len(result.triggered_rules), [skip.outcome for skip in result.skipped_rules]) == (1, ["suppressed"])
        assert all(alert.created_at for alert in Alert.objects.all())
