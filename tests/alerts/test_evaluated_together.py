"""Events that wait together are judged together: as each would be alone, by the statements of one."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from alerts.models import Alert, AlertRule, Delivery, Escalation, RuleDecision
from alerts.services import evaluation, judging
from alerts.services.evaluation import evaluate_event
from alerts.services.rule_changes import create_rule
from events.models import Event
from siteadmin.core.pipeline import Step
from tests.alerts.connections import run_apart
from tests.alerts.judging import decision, waiting_event, why_not_yet
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory
from tests.query_counts import assert_query_count

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("asked")]


def still_waiting() -> set[int]:
    return set(Event.objects.filter(due_at__isnull=False).values_list("pk", flat=True))


def test_what_waits_is_judged_along_up_to_so_many() -> None:
    AlertRuleFactory(cooldown_seconds=0)
    events = [waiting_event() for _ in range(5)]

    result = evaluate_event(events[3].pk, most=3)

    assert result.event_id == events[3].pk
    assert result.has_triggers
    assert set(Alert.objects.values_list("event", flat=True)) == {events[0].pk, events[1].pk, events[3].pk}
    assert still_waiting() == {events[2].pk, events[4].pk}


def test_each_gets_its_own_decisions_reasons_and_deliveries() -> None:
    channel = ChannelFactory()
    people = AlertRuleFactory(object_types=["person"], min_confidence=0.1, channels=[channel])
    cars = AlertRuleFactory(object_types=["car"], min_confidence=0.1, channels=[channel])
    person, car, cat = waiting_event("person"), waiting_event("car"), waiting_event("cat")

    evaluate_event(person.pk, most=3)

    assert (decision(person, people).outcome, why_not_yet(person, cars)) == ("fired", "No car was seen, but person")
    assert (decision(car, cars).outcome, why_not_yet(car, people)) == ("fired", "No person was seen, but car")
    assert why_not_yet(cat, cars) == "No car was seen, but cat"
    told = Delivery.objects.order_by("pk").values_list("alert__event", "alert__rule", "channel")
    assert list(told) == [(person.pk, people.pk, channel.pk), (car.pk, cars.pk, channel.pk)]


def test_of_those_that_share_a_key_one_fires_and_the_others_are_its_duplicates() -> None:
    low = AlertRuleFactory(dedup_key_template="site", severity="low")
    high = AlertRuleFactory(dedup_key_template="site", severity="high")
    events = [waiting_event() for _ in range(3)]

    evaluate_event(events[0].pk, most=3)

    [alert] = Alert.objects.all()
    assert (alert.rule, alert.event, alert.suppressed_count) == (high, events[0], 5)
    assert {one.alert for one in RuleDecision.objects.filter(outcome="duplicate")} == {alert}
    assert decision(events[2], low).reason == f"Within the cooldown of alert {alert.pk}"


def test_without_a_cooldown_all_fire_by_one_statement() -> None:
    AlertRuleFactory(dedup_key_template="site", cooldown_seconds=0)
    events = [waiting_event() for _ in range(10)]
    evaluate_event(events[0].pk)

    with assert_query_count("evaluate nine events together, one rule fires"):
        evaluate_event(events[1].pk, most=10)

    assert Alert.objects.count() == 10
    assert not still_waiting()


def test_escalations_begin_with_their_first_step() -> None:
    steps = [{"wait_seconds": seconds, "channel_ids": [ChannelFactory().pk]} for seconds in (60, 600)]
    create_rule(fields={"name": "Escalates"}, escalation=steps)
    AlertRuleFactory()
    events = [waiting_event() for _ in range(2)]

    evaluate_event(events[0].pk, most=2)

    waiting = Escalation.objects.order_by("pk")
    assert [one.alert.rule_name for one in waiting] == ["Escalates", "Escalates"]
    assert {one.position for one in waiting} == {1}
    assert all(timedelta(seconds=50) < one.due_at - timezone.now() <= timedelta(seconds=60) for one in waiting)


def test_an_event_that_a_worker_died_of_is_judged_alone() -> None:
    AlertRuleFactory()
    killer, other = waiting_event(), waiting_event()
    Event.objects.filter(pk=killer.pk).update(attempts=1)

    evaluate_event(killer.pk, most=5)
    assert still_waiting() == {other.pk}

    Event.objects.wait_again(killer.pk)
    Event.objects.filter(pk=killer.pk).update(attempts=1)
    evaluate_event(other.pk, most=5)
    assert still_waiting() == {killer.pk}


def test_a_message_whose_event_is_judged_already_serves_others() -> None:
    AlertRuleFactory()
    first, second = waiting_event(), waiting_event()
    evaluate_event(first.pk)

    result = evaluate_event(first.pk, most=5)

    assert not result.has_triggers
    assert {alert.event for alert in Alert.objects.all()} == {first, second}


def test_while_more_wait_than_were_taken_one_is_asked_for(asked: list[tuple[Step, int]]) -> None:
    events = [waiting_event() for _ in range(3)]

    evaluate_event(events[0].pk, most=2)
    evaluate_event(events[2].pk, most=2)

    assert asked == [(Step.EVALUATE, events[2].pk)]


def test_where_one_cannot_be_judged_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    AlertRuleFactory(cooldown_seconds=0)
    events = [waiting_event() for _ in range(3)]
    settle = judging.settle

    def fail_for_one(candidates: Any, **options: Any) -> Any:
        if any(one.cause.event_id == events[1].pk for one in candidates):
            raise judging.ConflictError("Somebody else decided")
        return settle(candidates, **options)

    monkeypatch.setattr(evaluation, "settle", fail_for_one)

    evaluate_event(events[0].pk, most=3)

    assert set(Alert.objects.values_list("event", flat=True)) == {events[0].pk, events[2].pk}
    assert still_waiting() == {events[1].pk}
    assert Event.objects.get(pk=events[1].pk).attempts == 1


def test_a_claim_that_is_lost_leaves_the_others_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    AlertRuleFactory(cooldown_seconds=0)
    events = [waiting_event() for _ in range(3)]
    claim = evaluation.Evaluation.objects.claim_waiting

    def claim_and_grow(*args: Any, **options: Any) -> Any:
        claimed = claim(*args, **options)
        Event.objects.wait_again(events[1].pk)
        return claimed

    monkeypatch.setattr(evaluation.Evaluation.objects, "claim_waiting", claim_and_grow)

    evaluate_event(events[0].pk, most=3)

    assert set(Alert.objects.values_list("event", flat=True)) == {events[0].pk, events[2].pk}
    assert still_waiting() == {events[1].pk}


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_eight_workers_decide_a_hundred_events_once(self) -> None:
        rules = [
            AlertRuleFactory(
                dedup_key_template=template, severity=severity, cooldown_seconds=seconds, channels=channels
            )
            for channels in [[ChannelFactory()]]
            for template, severity, seconds in [
                ("site", "low", 300),
                ("{camera_id}", "high", 300),
                ("{camera_id}", "medium", 0),
                ("{rule_id}", "low", 0),
            ]
        ]
        cameras = [CameraFactory() for _ in range(4)]
        events = [waiting_event(camera=cameras[number % 4]).pk for number in range(100)]

        def work(number: int) -> None:
            for event_id in events[number::8]:
                evaluate_event(event_id, most=7)

        run_apart(work, workers=8)

        assert RuleDecision.objects.count() == len(events) * len(rules)
        assert Alert.objects.filter(rule=rules[0]).count() == 1
        assert Alert.objects.filter(rule=rules[1]).count() == len(cameras)
        assert Alert.objects.filter(rule__in=rules[2:]).count() == 2 * len(events)
        assert Delivery.objects.count() == Alert.objects.count()
        assert not still_waiting()

    def test_one_that_somebody_holds_is_waited_for_alone(self) -> None:
        AlertRuleFactory(cooldown_seconds=0)
        events = [waiting_event() for _ in range(3)]
        token, ids = evaluation.Evaluation.objects.claim_waiting(events[0].pk, most=3, lease=timedelta(minutes=1))

        with transaction.atomic():
            Event.objects.lock(events[1].pk)
            [seen] = run_apart(lambda number: look_at(ids, token), workers=1)

        assert seen == [events[0].pk, events[2].pk]
        evaluation._evaluate_claimed(ids, token=token)
        assert Alert.objects.count() == 3


def look_at(ids: list[int], token: uuid.UUID) -> list[int]:
    with transaction.atomic():
        return [look.event_id for look in evaluation.Evaluation.objects.look(ids, token=token).events]


def test_rules_that_are_gone_by_then_stop_nothing() -> None:
    rule = AlertRuleFactory()
    events = [waiting_event() for _ in range(2)]
    AlertRule.objects.filter(pk=rule.pk).update(enabled=False)

    evaluate_event(events[0].pk, most=2)

    assert not Alert.objects.exists()
    assert not still_waiting()
