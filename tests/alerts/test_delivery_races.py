"""Several workers at once: one message, nobody waits for another's receiver, nothing outside inside a transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction

from alerts.channels import webhook
from alerts.models import Delivery
from alerts.results import DeliveryResult
from alerts.services import delivery as delivery_service
from alerts.services.channels import update_channel
from alerts.services.delivery import claim_deliveries, deliver, park_waiting
from alerts.services.lanes import Lanes
from siteadmin.core import http
from tests.alerts.connections import somebody_waits_for_us
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


def test_a_worker_that_waits_for_a_delivery_holds_no_other(receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    first, second = delivery_to(channel), delivery_to(channel)

    def claim(delivery: Delivery, most: int) -> list[int]:
        return [one.pk for one in claim_deliveries(delivery.pk, channel=channel, most=most)]

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            assert Delivery.objects.lock(second.pk) is not None
            waiting = pool.submit(in_thread(lambda: claim(second, 10)))
            wait_until(somebody_waits_for_us)

            # Two that held each other's would be a deadlock.
            assert pool.submit(in_thread(lambda: claim(first, 1))).result(timeout=10) == [first.pk]
        assert waiting.result() == [second.pk]


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

        result = deliver(second.pk)

        second.refresh_from_db()
        assert (result.outcomes, second.state, len(slow.requests)) == ((), "pending", 1)
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

    update_channel(channel.pk, enabled=True)

    assert not park_waiting(channel.pk)
    assert deliver(delivery.pk).outcomes[0].outcome == "delivered"


def test_breaker_counts_the_failures_of_all_workers(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_service, "LANES", LanesOfManyProcesses())
    receiver.default = Answer(500)
    channel = webhook_to(receiver)
    deliveries = [delivery_to(channel) for _ in range(12)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda row: in_thread(lambda: deliver(row.pk))(), deliveries))

    outcomes = [outcome.outcome for result in results for outcome in result.outcomes]
    assert set(outcomes) == {"retry", "held"}
    # Those that were under way as the fifth failure came in may still have gone out.
    assert 5 <= len(receiver.requests) <= 8


class LanesOfManyProcesses:
    """Lanes of which each thread has its own, as if it were a process."""

    def __init__(self) -> None:
        self._own = threading.local()

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._own, "lanes"):
            self._own.lanes = Lanes()
        return getattr(self._own.lanes, name)


def test_failed_rows_are_swept_when_their_pause_is_over(receiver: HttpServer) -> None:
    receiver.script(Answer(500))
    delivery = delivery_to(webhook_to(receiver))
    deliver(delivery.pk)

    assert wait_until(lambda: Delivery.objects.sweep(limit=10)) == [delivery.pk]
