"""Rules judged while events merge, grow and go, by several workers at once; and what it costs."""

from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert, AlertRule, Delivery, Evaluation, RuleDecision
from alerts.results import EvaluationResult
from alerts.services import evaluation, judging
from alerts.services.channels import update_channel
from alerts.services.evaluation import evaluate_event
from events.models import Event
from siteadmin.core import retry
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from tests.alerts.connections import run_apart
from tests.alerts.judging import decision, grow, waiting_event, why_not_yet
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory
from tests.query_counts import assert_query_count

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("asked")]


class TestMergedAndGone:
    def test_alerts_and_decisions_of_merged_events_move_along_and_fire_no_second_time(self) -> None:
        rule = AlertRuleFactory()
        event, kept = waiting_event(), waiting_event()
        evaluate_event(event.pk)
        Event.objects.merge_into({event.pk: kept.pk})

        evaluate_event(kept.pk)

        assert Alert.objects.get().event == kept
        assert decision(kept, rule).outcome == "fired"
        assert not RuleDecision.objects.filter(event=event).exists()

    def test_a_decision_takes_the_place_of_why_not_yet(self) -> None:
        rule = AlertRuleFactory(object_types=["car"])
        event, kept = waiting_event("car"), waiting_event("person")
        evaluate_event(event.pk)
        evaluate_event(kept.pk)
        assert why_not_yet(kept, rule) == "No car was seen, but person"
        Event.objects.merge_into({event.pk: kept.pk})
        Event.objects.wait_again(kept.pk)

        evaluate_event(kept.pk)

        assert (decision(kept, rule).outcome, Alert.objects.count()) == ("fired", 1)
        assert why_not_yet(kept, rule) == ""

    def test_two_final_decisions_both_stay_with_both_alerts_at_the_kept_event(self) -> None:
        rule = AlertRuleFactory()
        event, kept = waiting_event(), waiting_event()
        evaluate_event(event.pk)
        evaluate_event(kept.pk)
        Event.objects.merge_into({event.pk: kept.pk})
        Event.objects.wait_again(kept.pk)

        evaluate_event(kept.pk)

        assert {alert.event for alert in Alert.objects.all()} == {kept}
        assert RuleDecision.objects.filter(rule=rule).count() == 2

    @pytest.mark.parametrize("gone", ["event", "camera"])
    def test_what_was_deleted_is_not_judged_and_waits_no_more(self, gone: str) -> None:
        AlertRuleFactory()
        event = waiting_event()
        row = event if gone == "event" else event.camera
        row.deleted_at = timezone.now()
        row.save()

        evaluate_event(event.pk)

        event.refresh_from_db()
        assert (event.due_at, Alert.objects.count(), RuleDecision.objects.count()) == (None, 0, 0)


class TestTrouble:
    def test_a_schedule_that_cannot_be_read_any_more_stops_no_other_rule(self) -> None:
        broken = AlertRuleFactory(schedule={"days": [], "start": "1", "end": "2", "timezone": "Gone/Zone"})
        AlertRuleFactory()
        event = waiting_event()

        evaluate_event(event.pk)

        assert Alert.objects.count() == 1
        assert why_not_yet(event, broken).startswith("The schedule cannot be used")

    def test_growth_during_an_evaluation_is_judged_by_another_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        AlertRuleFactory()
        event = waiting_event()
        claim = Evaluation.objects.claim_waiting

        def claim_and_grow(event_id: int, **options: Any) -> Any:
            claimed = claim(event_id, **options)
            grow(event)
            return claimed

        monkeypatch.setattr(evaluation.Evaluation.objects, "claim_waiting", claim_and_grow)

        assert evaluate_event(event.pk) == EvaluationResult(event.pk)

        event.refresh_from_db()
        assert event.due_at is not None
        assert not Alert.objects.exists()

    def test_an_event_that_kills_its_workers_ends_as_a_dead_letter_and_can_be_requeued(
        self, django_capture_on_commit_callbacks: Any
    ) -> None:
        AlertRuleFactory()
        event = waiting_event()
        Event.objects.filter(pk=event.pk).update(attempts=5)

        result = evaluate_event(event.pk)

        letter = DeadLetter.objects.get()
        event.refresh_from_db()
        assert result.error
        assert (letter.task, letter.subject, letter.attempts) == (Step.EVALUATE, str(event.pk), 5)
        assert (event.due_at, Alert.objects.count()) == (None, 0)
        assert retry.requeue(letter.pk)
        assert evaluate_event(event.pk).has_triggers

    def test_a_fault_of_ours_leaves_the_event_waiting_for_the_end_of_its_lease(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        AlertRuleFactory()
        event = waiting_event()

        def fail(*facts: Any) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(judging, "judge", fail)

        with pytest.raises(RuntimeError):
            evaluate_event(event.pk)

        event.refresh_from_db()
        assert event.attempts == 1
        assert event.due_at is not None
        assert not Alert.objects.exists()

    def test_attempts_count_from_the_last_success(self) -> None:
        event = waiting_event()

        for _ in range(8):
            evaluate_event(event.pk)
            Event.objects.wait_again(event.pk)

        event.refresh_from_db()
        assert event.attempts == 0
        assert not DeadLetter.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_eight_workers_on_one_event_decide_once(self) -> None:
        rules = [AlertRuleFactory(channels=[ChannelFactory()]) for _ in range(3)]
        event = waiting_event()

        results = run_apart(lambda number: evaluate_event(event.pk), workers=8)

        assert sum(len(result.triggered_rules) for result in results) == len(rules)
        assert (Alert.objects.count(), Delivery.objects.count()) == (3, 3)

    def test_many_events_with_many_rules_at_once_lose_and_double_nothing(self) -> None:
        rules = [
            AlertRuleFactory(dedup_key_template=template, severity=severity)
            for template, severity in [
                ("{camera_id}", "low"),
                ("{camera_id}", "high"),
                ("site", "medium"),
                ("{rule_id}", "low"),
            ]
        ]
        cameras = [CameraFactory() for _ in range(2)]
        events = [waiting_event(camera=cameras[number % 2]) for number in range(16)]

        run_apart(lambda number: evaluate_event(events[number].pk), workers=16)

        alerts, decisions = list(Alert.objects.all()), list(RuleDecision.objects.all())
        assert sorted(alert.dedup_key for alert in alerts) == sorted(
            [*(c.pk for c in cameras), "site", str(rules[3].pk)]
        )
        assert len(decisions) == len(events) * len(rules)
        assert sum(alert.suppressed_count for alert in alerts) == len(decisions) - len(alerts)

    def test_a_channel_switched_on_meanwhile_gets_what_was_to_be_parked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        channel = ChannelFactory(enabled=False)
        AlertRuleFactory(channels=[channel])
        event = waiting_event()
        repository = type(AlertRule.objects)
        channels_of = repository.channels_of

        def look_and_switch_on(rules: Any, rule_ids: list[int]) -> Any:
            found = channels_of(rules, rule_ids)
            run_apart(lambda number: update_channel(channel.pk, enabled=True), workers=1)
            return found

        monkeypatch.setattr(repository, "channels_of", look_and_switch_on)

        evaluate_event(event.pk)

        assert Delivery.objects.get().state == "pending"

    def test_a_rule_deleted_in_between_leaves_the_event_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rule = AlertRuleFactory()
        event = waiting_event()
        judge = judging.judge

        def judge_and_delete(*facts: Any) -> Any:
            run_apart(lambda number: AlertRule.objects.filter(pk=rule.pk).delete(), workers=1)
            return judge(*facts)

        monkeypatch.setattr(judging, "judge", judge_and_delete)

        result = evaluate_event(event.pk)

        event.refresh_from_db()
        assert result.error
        assert event.due_at is not None
        assert (Alert.objects.count(), RuleDecision.objects.count()) == (0, 0)


class TestCosts:
    """Rules were read before; whoever changed one has it read again by one query."""

    @pytest.mark.parametrize("rules", [3, 60])
    def test_rules_that_do_not_hold_cost_the_same_however_many_there_are(self, rules: int) -> None:
        AlertRuleFactory.create_batch(rules, risk_threshold=90)
        evaluate_event(waiting_event().pk)
        event = waiting_event()

        with assert_query_count("evaluate an event, no rule holds"):
            evaluate_event(event.pk)

        Event.objects.wait_again(event.pk)
        with assert_query_count("evaluate an event, nothing new"):
            evaluate_event(event.pk)

    @pytest.mark.parametrize("rules", [3, 60])
    def test_changed_rules_are_read_at_once(self, rules: int) -> None:
        AlertRuleFactory.create_batch(rules, risk_threshold=90)
        evaluate_event(waiting_event().pk)
        AlertRule.objects.update(risk_threshold=91)
        event = waiting_event()

        with assert_query_count("evaluate an event, rules were changed"):
            evaluate_event(event.pk)

    @pytest.mark.parametrize("rules", [2, 20])
    def test_firing_rules_cost_the_same_however_many_there_are(self, rules: int) -> None:
        channels = [ChannelFactory(), ChannelFactory()]
        AlertRuleFactory.create_batch(rules, channels=channels)
        evaluate_event(waiting_event().pk)
        event = waiting_event()

        with assert_query_count("evaluate an event, rules fire"):
            evaluate_event(event.pk)

    @pytest.mark.parametrize("rules", [2, 20])
    def test_duplicates_cost_the_same_however_many_there_are(self, rules: int) -> None:
        AlertRuleFactory.create_batch(rules)
        camera = CameraFactory()
        evaluate_event(waiting_event(camera=camera).pk)
        event = waiting_event(camera=camera)

        with assert_query_count("evaluate an event, duplicates"):
            evaluate_event(event.pk)
