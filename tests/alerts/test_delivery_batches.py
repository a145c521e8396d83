"""Several deliveries of a channel at a time: what is taken along, what waits, and what becomes of the rest."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from alerts.delivery_repositories import SWEPT_A_CHANNEL
from alerts.models import Channel, ChannelPace, Delivery
from alerts.services import attempts as attempts_service
from alerts.services import delivery as delivery_service
from alerts.services.channels import update_channel
from alerts.services.delivery import deliver
from alerts.services.evaluation import evaluate_event
from alerts.services.lanes import Lanes
from alerts.services.lifecycle import dismiss_alert, snooze_alert
from siteadmin.core.pipeline import Step
from tests.alerts.judging import waiting_event
from tests.alerts.telling import attempt, claim, deliver_now, delivery_to, webhook_to
from tests.factories import AlertRuleFactory, UserFactory
from tests.fakes.http_server import Answer, HttpServer
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Give the test lanes of its own, for which every attempt is quick, however busy the machine is."""
    own = Lanes(clock=lambda: 0.0)
    monkeypatch.setattr(delivery_service, "LANES", own)
    return own


def prove_quick(channel: Channel) -> None:
    """Let the lane of a channel know its receiver."""
    for _ in range(3):
        deliver(delivery_to(channel).pk)


def states_of(deliveries: list[Delivery]) -> list[str]:
    for delivery in deliveries:
        delivery.refresh_from_db()
    return [delivery.state for delivery in deliveries]


def test_one_message_has_several_sent_each_under_its_own_key(hook: Channel, receiver: HttpServer) -> None:
    prove_quick(hook)
    deliveries = [delivery_to(hook) for _ in range(5)]

    result = deliver(deliveries[2].pk)

    assert states_of(deliveries) == ["delivered"] * 5
    sent = [request.headers["webhook-id"] for request in receiver.requests[3:]]
    assert sent[0] == deliveries[2].idempotency_key  # what was asked for goes first
    assert sorted(sent) == sorted(delivery.idempotency_key for delivery in deliveries)
    assert [outcome.delivery_id for outcome in result.outcomes] == [deliveries[2].pk]


def test_ten_at_once_cost_the_same_statements(hook: Channel, receiver: HttpServer) -> None:
    prove_quick(hook)
    deliveries = [delivery_to(hook) for _ in range(10)]

    with assert_query_count("deliver ten webhooks"):
        deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered"] * 10


def test_a_receiver_that_is_not_known_gets_one_at_a_time(hook: Channel, receiver: HttpServer) -> None:
    deliveries = [delivery_to(hook) for _ in range(3)]

    deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "pending", "pending"]


def test_what_is_left_is_asked_for(hook: Channel, receiver: HttpServer, asked: list[tuple[Step, int]]) -> None:
    deliveries = [delivery_to(hook) for _ in range(4)]

    deliver(deliveries[0].pk)

    assert asked == [(Step.DELIVER, delivery.pk) for delivery in deliveries[1:3]]


def test_a_failure_gives_the_rest_back_uncounted(hook: Channel, receiver: HttpServer) -> None:
    prove_quick(hook)
    receiver.script(Answer(), Answer(500))
    deliveries = [delivery_to(hook) for _ in range(4)]

    deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "pending", "pending", "pending"]
    assert [delivery.attempts for delivery in deliveries] == [1, 1, 0, 0]
    assert deliver(deliveries[2].pk).outcomes[0].outcome == "delivered"


def test_what_was_attempted_before_is_not_taken_along(hook: Channel, receiver: HttpServer) -> None:
    """What kills its worker must not count attempts of others again and again."""
    prove_quick(hook)
    killer, other = delivery_to(hook), delivery_to(hook)
    Delivery.objects.filter(pk=killer.pk).update(attempts=1)

    deliver(other.pk)

    assert states_of([killer, other]) == ["pending", "delivered"]


def test_something_unforeseen_counts_for_what_it_happened_at_alone(
    hook: Channel, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove_quick(hook)
    deliveries = [delivery_to(hook) for _ in range(3)]

    def explode(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(attempts_service, "notice_of", explode)

    with pytest.raises(MemoryError):
        deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["sending", "pending", "pending"]
    assert [delivery.attempts for delivery in deliveries] == [1, 0, 0]


def test_an_open_breaker_holds_all_that_is_due_by_one_look(hook: Channel, receiver: HttpServer) -> None:
    receiver.default = Answer(500)
    failing = delivery_to(hook)
    for _ in range(5):
        deliver_now(failing)
    waiting = [delivery_to(hook) for _ in range(3)]

    deliver(waiting[0].pk)
    deliver(waiting[1].pk)

    assert states_of(waiting) == ["pending"] * 3
    assert all(delivery.due_at and delivery.due_at > timezone.now() for delivery in waiting)
    assert [[one.outcome for one in delivery.attempt_log.all()] for delivery in waiting] == [["held"]] * 3
    assert len(receiver.requests) == 5


def test_a_dead_workers_delivery_is_held_by_an_open_breaker_too(hook: Channel, receiver: HttpServer) -> None:
    receiver.default = Answer(500)
    failing, lost = delivery_to(hook), delivery_to(hook)
    for _ in range(5):
        deliver_now(failing)
    assert claim(lost) is not None
    Delivery.objects.filter(pk=lost.pk).update(due_at=timezone.now())

    deliver(lost.pk)

    assert states_of([lost]) == ["pending"]
    assert lost.claim_token is None and lost.due_at and lost.due_at > timezone.now()


def test_switching_off_parks_all_that_waits_at_once(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(503, headers={"Retry-After": "600"}))
    retried, fresh = delivery_to(hook), delivery_to(hook)
    deliver(retried.pk)

    update_channel(hook.pk, enabled=False)

    assert states_of([retried, fresh]) == ["parked", "parked"]
    assert (retried.due_at, retried.attempts) == (None, 1)


class TestSweep:
    """A channel that thousands wait for keeps no other's retries waiting."""

    def test_a_few_of_each_channel_are_asked_for(self, hook: Channel, receiver: HttpServer) -> None:
        other = webhook_to(receiver, name="Other")
        for channel, count in ((hook, SWEPT_A_CHANNEL + 3), (other, 2)):
            for _ in range(count):
                delivery_to(channel)
        Delivery.objects.update(due_at=F("due_at") - timedelta(minutes=1))

        swept = Delivery.objects.sweep(limit=100)

        assert len(swept) == SWEPT_A_CHANNEL + 2
        assert Delivery.objects.filter(pk__in=swept, channel=other).count() == 2

    def test_the_next_sweep_asks_for_the_next(self, hook: Channel) -> None:
        for _ in range(SWEPT_A_CHANNEL + 3):
            delivery_to(hook)
        Delivery.objects.update(due_at=F("due_at") - timedelta(minutes=1))

        first, second = Delivery.objects.sweep(limit=100), Delivery.objects.sweep(limit=100)

        assert (len(first), len(second)) == (SWEPT_A_CHANNEL, 3)
        assert not set(first) & set(second)


class TestSnoozed:
    """While an alert is snoozed nothing is sent for it."""

    def test_a_retry_waits_for_the_end_of_a_snooze_that_began_while_it_was_sent(
        self, hook: Channel, receiver: HttpServer
    ) -> None:
        receiver.script(Answer(500))
        delivery = delivery_to(hook)
        claimed = claim(delivery)
        assert claimed is not None
        snooze_alert(delivery.alert_id, minutes=30, by=UserFactory())
        verdict = attempt(claimed)
        assert verdict is not None
        attempts_service.record([(claimed, verdict)])

        outcome = deliver_now(delivery)

        assert (outcome.outcome, delivery.state, len(receiver.requests)) == ("held", "pending", 1)
        assert delivery.due_at > timezone.now() + timedelta(minutes=29)
        assert delivery.attempts == 1

    def test_another_alert_that_its_message_tells_of_is_told_of_now(self, hook: Channel, receiver: HttpServer) -> None:
        first, second = two_alerts_of_one_event(hook)

        snooze_alert(first.alert_id, minutes=30, by=UserFactory())
        deliver(second.pk)

        assert states_of([first, second]) == ["pending", "delivered"]
        assert json.loads(receiver.requests[0].body)["data"]["alert"]["id"] == second.alert_id


class TestDismissed:
    """What a dismissed alert's message was to tell of beside it is told of nevertheless."""

    @pytest.mark.parametrize("is_claimed", [False, True], ids=["waiting", "seen by the worker"])
    def test_the_other_alert_gets_a_message_of_its_own(
        self, hook: Channel, receiver: HttpServer, is_claimed: bool
    ) -> None:
        first, second = two_alerts_of_one_event(hook)
        if is_claimed:
            type(first.alert).objects.filter(pk=first.alert_id).update(status="dismissed")
            deliver(first.pk)
        else:
            dismiss_alert(first.alert_id, by=UserFactory())

        deliver(second.pk)

        assert states_of([first, second]) == ["skipped", "delivered"]
        assert [json.loads(one.body)["data"]["alert"]["id"] for one in receiver.requests] == [second.alert_id]

    def test_a_third_one_is_told_of_by_the_second(self, hook: Channel, receiver: HttpServer) -> None:
        first, second, third = alerts_of_one_event(hook, count=3)

        dismiss_alert(first.alert_id, by=UserFactory())
        deliver(second.pk)

        assert states_of([first, second, third]) == ["skipped", "delivered", "digested"]
        assert (third.told_by, third.alert.status) == (second, "delivered")

    def test_where_all_are_dismissed_nobody_is_told(self, hook: Channel, receiver: HttpServer) -> None:
        first, second = two_alerts_of_one_event(hook)

        for delivery in (second, first):
            dismiss_alert(delivery.alert_id, by=UserFactory())
        deliver(second.pk)

        assert states_of([first, second]) == ["skipped", "digested"]
        assert receiver.requests == []


def two_alerts_of_one_event(channel: Channel) -> tuple[Delivery, Delivery]:
    """Let two rules hold for one event: the first delivery tells of the second's alert too."""
    first, second = alerts_of_one_event(channel, count=2)
    return first, second


def alerts_of_one_event(channel: Channel, *, count: int) -> list[Delivery]:
    for _ in range(count):
        AlertRuleFactory(channels=[channel])
    evaluate_event(waiting_event().pk)
    deliveries = list(Delivery.objects.order_by("pk"))
    assert [one.told_by for one in deliveries] == [None, *[deliveries[0]] * (count - 1)]
    return deliveries


class TestOverTheLimit:
    """A delivery that was attempted keeps its own message, since it may have arrived."""

    @pytest.fixture
    def limited(self, hook: Channel) -> Channel:
        return update_channel(hook.pk, max_messages=1, period_seconds=60)

    def test_a_retry_waits_for_the_next_period_and_joins_no_digest(
        self, limited: Channel, receiver: HttpServer
    ) -> None:
        receiver.script(Answer(500))
        delivery = delivery_to(limited)
        deliver(delivery.pk)

        outcome = deliver_now(delivery)

        assert (outcome.outcome, delivery.state, delivery.attempts) == ("held", "pending", 1)
        assert delivery.due_at > timezone.now() + timedelta(seconds=50)
        assert not Delivery.objects.filter(purpose="digest").exists()
        ChannelPace.objects.get_queryset().update(started_at=F("started_at") - timedelta(minutes=5))
        assert deliver_now(delivery).outcome == "delivered"
        assert len({(one.headers["webhook-id"], one.body) for one in receiver.requests}) == 1

    def test_all_that_is_due_is_gathered_at_once(self, limited: Channel, receiver: HttpServer) -> None:
        deliveries = [delivery_to(limited) for _ in range(6)]
        critical = delivery_to(limited, severity="critical")

        deliver(deliveries[0].pk)
        deliver(deliveries[1].pk)

        assert states_of([*deliveries, critical]) == ["delivered", *["digested"] * 5, "delivered"]
        assert {one.told_by for one in deliveries[1:]} == {Delivery.objects.get(purpose="digest")}
