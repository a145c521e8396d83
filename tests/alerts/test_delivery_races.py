"""Several workers at once: one message, nobody waits for another's receiver, nothing outside inside a transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F

from alerts.channels import webhook
from alerts.models import Delivery
from alerts.results import DeliveryResult
from alerts.services import delivery as delivery_service
from alerts.services.channels import update_channel
from alerts.services.delivery import claim_delivery, deliver
from siteadmin.core import http
from tests.alerts.telling import delivery_to, webhook_to
from tests.fakes.http_server import Answer, HttpServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8


def in_thread(operation: Callable[[], Any]) -> Callable[[], Any]:
    """Wrap an operation so that its thread leaves no connection behind."""

    def run() -> Any:
        try:
            return operation()
        finally:
            connections.close_all()

    return run


def test_one_of_many_workers_sends(receiver: HttpServer) -> None:
    receiver.default = Answer(delay=0.05)
    delivery = delivery_to(webhook_to(receiver))
    start = threading.Barrier(WORKERS)

    def work() -> DeliveryResult:
        start.wait()
        return deliver(delivery.pk)

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda _: in_thread(work)(), range(WORKERS)))

    assert len(receiver.requests) == 1
    assert sum(len(result.outcomes) for result in results) == 1


def test_slow_receiver_delays_no_other(receiver: HttpServer) -> None:
    with HttpServer(default=Answer(hang=True)) as slow:
        waiting, quick = delivery_to(webhook_to(slow, name="Slow")), delivery_to(webhook_to(receiver))
        thread = threading.Thread(target=in_thread(lambda: deliver(waiting.pk)))
        thread.start()
        slow.wait_for(1)

        [outcome] = deliver(quick.pk).outcomes

        assert outcome.outcome == "delivered"
        assert thread.is_alive()
    thread.join()
    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_slow_receiver_keeps_only_one_worker_waiting(receiver: HttpServer) -> None:
    with HttpServer(default=Answer(hang=True)) as slow:
        channel = webhook_to(slow, name="Slow")
        first, second = delivery_to(channel), delivery_to(channel)
        thread = threading.Thread(target=in_thread(lambda: deliver(first.pk)))
        thread.start()
        slow.wait_for(1)
        # As if it had waited for two seconds already.
        sending = Delivery.objects.get_queryset().filter(pk=first.pk)
        sending.update(due_at=F("due_at") - timedelta(seconds=2))

        [outcome] = deliver(second.pk).outcomes

        assert (outcome.outcome, len(slow.requests)) == ("held", 1)
    thread.join()


def test_sending_happens_outside_any_transaction(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, str]] = []
    delivery = delivery_to(webhook_to(receiver))

    def request(*args: Any, **kwargs: Any) -> http.HttpResponse:
        seen.append((connection.in_atomic_block, Delivery.objects.get_all()[0].state))
        return original(*args, **kwargs)

    original = http.request
    monkeypatch.setattr(webhook.http, "request", request)

    deliver(delivery.pk)

    assert seen == [(False, "sending")]


def test_channel_that_is_switched_on_while_a_worker_parks_loses_nothing(receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    update_channel(channel.pk, enabled=False)
    delivery = delivery_to(channel)
    claim = claim_delivery(delivery.pk)
    assert claim is not None and claim.delivery.channel is not None

    update_channel(channel.pk, enabled=True)
    outcome = delivery_service.park(claim, channel=claim.delivery.channel)

    assert outcome is not None and outcome.outcome == "held"
    assert deliver(delivery.pk).outcomes[0].outcome == "delivered"


def test_breaker_counts_the_failures_of_all_workers(receiver: HttpServer) -> None:
    receiver.default = Answer(500)
    channel = webhook_to(receiver)
    deliveries = [delivery_to(channel) for _ in range(12)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda row: in_thread(lambda: deliver(row.pk))(), deliveries))

    outcomes = [result.outcomes[0].outcome for result in results]
    assert set(outcomes) == {"retry", "held"}
    # Those that were under way as the fifth failure came in may still have gone out.
    assert 5 <= len(receiver.requests) <= 8


def test_failed_rows_are_swept_when_their_pause_is_over(receiver: HttpServer) -> None:
    receiver.script(Answer(500))
    delivery = delivery_to(webhook_to(receiver))
    deliver(delivery.pk)

    assert wait_until(lambda: Delivery.objects.sweep(limit=10)) == [delivery.pk]
