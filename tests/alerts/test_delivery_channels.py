"""Channels that are switched off, deleted or in trouble, and what becomes of their deliveries."""

import json
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Channel, Delivery
from alerts.services import attempts as attempts_service
from alerts.services import delivery as delivery_service
from alerts.services.attempts import record
from alerts.services.channels import delete_channel, send_test_message, update_channel
from alerts.services.delivery import deliver, retry_delivery
from siteadmin.core.breaker import CircuitBreaker
from siteadmin.core.exceptions import DeliveryNotFoundError, InvalidStateTransitionError
from siteadmin.core.models import BreakerState
from siteadmin.core.retry import requeue
from tests.alerts.telling import attempt, claim, deliver_now, delivery_to, letters, waits, webhook_to
from tests.factories import ChannelFactory, DeliveryFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db


def test_410_switches_the_channel_off_with_a_reason(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(410))
    gone, waiting = delivery_to(hook), delivery_to(hook)

    deliver_now(gone)

    hook.refresh_from_db()
    waiting.refresh_from_db()
    assert (hook.enabled, gone.state) == (False, "failed")
    assert "410" in hook.disabled_reason
    assert (waiting.state, waiting.due_at, waiting.attempts) == ("parked", None, 0)
    assert len(receiver.requests) == 1


def test_410_of_an_address_that_was_changed_meanwhile_switches_nothing_off(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(410))
    claimed = claim(delivery_to(hook))
    assert claimed is not None
    verdict = attempt(claimed)
    assert verdict is not None
    update_channel(hook.pk, config={"url": receiver.url + "/new"})

    record([(claimed, verdict)])

    hook.refresh_from_db()
    assert hook.enabled


def test_parked_deliveries_are_sent_once_the_channel_is_on_again(hook: Channel, receiver: HttpServer) -> None:
    update_channel(hook.pk, enabled=False)
    delivery = delivery_to(hook)
    deliver_now(delivery)

    update_channel(hook.pk, enabled=True)
    outcome = deliver(delivery.pk).outcomes[0]

    assert outcome.outcome == "delivered"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_deliveries_of_a_deleted_channel_fail_with_that_reason(hook: Channel, enabled: bool) -> None:
    update_channel(hook.pk, enabled=enabled)
    delivery = delivery_to(hook)
    if not enabled:
        deliver_now(delivery)

    delete_channel(hook.pk)
    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state, outcome.channel) == ("failed", "failed", "Hook")
    assert letters()[0].error == "The channel was deleted"
    assert not requeue(letters()[0].pk)


def test_breaker_opens_after_five_failures_and_holds_without_counting(hook: Channel, receiver: HttpServer) -> None:
    receiver.default = Answer(500)
    failing, held = delivery_to(hook), delivery_to(hook)
    for _ in range(5):
        deliver_now(failing)

    outcomes = [deliver_now(held).outcome for _ in range(3)]

    assert outcomes == ["held"] * 3
    assert (held.state, held.attempts, len(receiver.requests)) == ("pending", 0, 5)
    assert [logged.outcome for logged in held.attempt_log.all()] == ["held"]
    assert waits(held, at_least=20, at_most=30)


@pytest.mark.parametrize("change", ["another target", "deleted"])
def test_breaker_goes_with_its_target(hook: Channel, receiver: HttpServer, change: str) -> None:
    receiver.script(Answer(500))
    deliver_now(delivery_to(hook))
    assert BreakerState.objects.count() == 1

    if change == "deleted":
        delete_channel(hook.pk)
    else:
        update_channel(hook.pk, config={"url": "https://elsewhere.example.com/"})

    assert BreakerState.objects.count() == 0


def test_breaker_of_one_channel_holds_no_other(hook: Channel, receiver: HttpServer) -> None:
    with HttpServer(default=Answer(500)) as broken:
        failing = delivery_to(webhook_to(broken, name="Broken"))
        for _ in range(5):
            deliver_now(failing)

    assert deliver_now(delivery_to(hook)).outcome == "delivered"


def test_refusals_of_ours_open_no_breaker(settings: Any, receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    outcomes = [deliver_now(delivery_to(channel)).outcome for _ in range(6)]

    assert outcomes == ["failed"] * 6
    assert receiver.requests == []


def test_what_was_held_is_due_as_soon_as_the_receiver_answers_again(
    hook: Channel, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in (delivery_service, attempts_service):
        monkeypatch.setattr(service, "breaker_of", lambda channel: quick_breaker(channel))
    receiver.script(*[Answer(500)] * 5)
    failing, held = delivery_to(hook), delivery_to(hook)
    for _ in range(5):
        deliver_now(failing)
    Delivery.objects.get_queryset().filter(pk=held.pk).update(due_at="2099-01-01T00:00:00Z")
    held.attempt_log.create(number=1, at="2026-01-01T00:00:00Z", outcome="held")

    assert deliver_now(failing).outcome == "delivered"

    assert deliver(held.pk).outcomes[0].outcome == "delivered"


def quick_breaker(channel: Channel) -> Any:
    return CircuitBreaker(f"channel:{channel.pk}", cool_off=timedelta(0))


def test_retry_now_makes_a_waiting_delivery_due(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(503, headers={"Retry-After": "600"}))
    delivery = delivery_to(hook)
    deliver_now(delivery)

    retry_delivery(delivery.pk)

    assert deliver(delivery.pk).outcomes[0].outcome == "delivered"


def test_retry_now_of_a_failed_delivery_closes_its_dead_letter(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(400))
    delivery = delivery_to(hook)
    deliver_now(delivery)

    retry_delivery(delivery.pk)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, letters()) == ("pending", 0, [])


def test_retry_now_of_what_arrived_is_refused() -> None:
    delivery = DeliveryFactory(state="delivered", due_at=None, channel=ChannelFactory())

    with pytest.raises(InvalidStateTransitionError, match="delivered"):
        retry_delivery(delivery.pk)


def test_retry_now_of_nothing_is_not_found() -> None:
    with pytest.raises(DeliveryNotFoundError):
        retry_delivery(999_999)


def test_410_tells_all_other_channels_once(hook: Channel, receiver: HttpServer) -> None:
    other, off = webhook_to(receiver, name="Other", path="/other"), ChannelFactory(enabled=False)
    receiver.script(Answer(410), Answer(410))
    claims = [claim(delivery_to(hook)) for _ in range(2)]
    verdicts = [attempt(claimed) for claimed in claims if claimed is not None]

    for claimed, verdict in zip(claims, verdicts, strict=True):
        assert claimed is not None and verdict is not None
        record([(claimed, verdict)])

    notice = Delivery.objects.get(purpose="notice")
    assert (notice.channel, off.deliveries.count()) == (other, 0)
    assert deliver(notice.pk).outcomes[0].outcome == "delivered"
    told = json.loads(receiver.requests[-1].body)
    assert (receiver.requests[-1].target, told["type"], told["data"]["channel"]) == (
        "/other",
        "channel.disabled",
        "Hook",
    )


def test_successful_test_closes_the_breaker_and_lets_go_what_waited(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(*[Answer(500)] * 5)
    deliveries = [delivery_to(hook) for _ in range(6)]
    for delivery in deliveries:
        deliver(delivery.pk)
    waiting = deliveries[5]

    assert send_test_message(hook.pk).all_successful

    assert not BreakerState.objects.exists()
    assert deliver(waiting.pk).outcomes[0].outcome == "delivered"
