"""Deliveries that are sent together: one is lost or explodes, and the others are recorded none the less."""

from typing import Any

import pytest
from django.db import connection

from alerts.models import Channel, Delivery
from alerts.services import delivery as delivery_service
from alerts.services import outbox
from alerts.services.delivery import deliver
from alerts.services.lanes import Lanes
from siteadmin.core import pipeline
from siteadmin.core.pipeline import Step
from tests.alerts.telling import delivery_to, webhook_to
from tests.factories import ChannelFactory
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test lanes of its own, for which every attempt is quick, however busy the machine is."""
    monkeypatch.setattr(delivery_service, "LANES", Lanes(clock=lambda: 0.0))


def several(channel: Channel, *, count: int = 4) -> list[Delivery]:
    """Make so many deliveries of a channel whose receiver has proved quick."""
    for _ in range(3):
        deliver(delivery_to(channel).pk)
    return [delivery_to(channel) for _ in range(count)]


def states_of(deliveries: list[Delivery]) -> list[str]:
    return [Delivery.objects.get(pk=delivery.pk).state for delivery in deliveries]


def steal(delivery: Delivery) -> None:
    """Let another worker have taken it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE alerts_delivery SET claim_token = gen_random_uuid() WHERE id = %s", [delivery.pk])


def test_a_claim_lost_before_the_sending_leaves_that_one_out(
    hook: Channel, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = several(hook)
    original = delivery_service.fix_body

    def fix_body(delivery: Delivery) -> bool:
        if delivery.pk == deliveries[1].pk:
            steal(delivery)
        return original(delivery)

    monkeypatch.setattr(delivery_service, "fix_body", fix_body)

    deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "sending", "delivered", "delivered"]
    sent = {request.headers["webhook-id"] for request in receiver.requests}
    assert deliveries[1].idempotency_key not in sent


def test_a_claim_lost_during_the_sending_records_nothing_of_that_one(
    hook: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = several(hook)
    original = delivery_service.attempt

    def attempt(delivery: Delivery, **options: Any) -> Any:
        if delivery.pk == deliveries[2].pk:
            steal(delivery)
        return original(delivery, **options)

    monkeypatch.setattr(delivery_service, "attempt", attempt)

    deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "delivered", "sending", "delivered"]
    assert [delivery.attempt_log.count() for delivery in deliveries] == [1, 1, 0, 1]


def test_what_was_sent_is_recorded_though_the_next_one_explodes(
    hook: Channel, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = several(hook)
    original = delivery_service.attempt

    def attempt(delivery: Delivery, **options: Any) -> Any:
        if delivery.pk == deliveries[2].pk:
            raise MemoryError
        return original(delivery, **options)

    monkeypatch.setattr(delivery_service, "attempt", attempt)

    with pytest.raises(MemoryError):
        deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "delivered", "sending", "pending"]
    assert [Delivery.objects.get(pk=delivery.pk).attempts for delivery in deliveries] == [1, 1, 1, 0]


def test_a_failure_is_recorded_beside_what_was_accepted_before_it(hook: Channel, receiver: HttpServer) -> None:
    deliveries = several(hook)
    receiver.script(Answer(), Answer(400))

    deliver(deliveries[0].pk)

    assert states_of(deliveries) == ["delivered", "failed", "delivered", "delivered"]
    assert [one.alert.status for one in Delivery.objects.filter(pk__in=[d.pk for d in deliveries]).order_by("pk")] == [
        "delivered",
        "pending",
        "delivered",
        "delivered",
    ]


def test_webhooks_are_recorded_together_and_mails_one_by_one(
    hook: Channel, mail_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook's receiver knows a message again by its key; a person would read a mail twice."""
    recorded: list[int] = []
    original = delivery_service.record

    def record(made: Any) -> Any:
        recorded.append(len(made))
        return original(made)

    mail = ChannelFactory(kind="email", config={"to": ["a@example.org"]})
    webhooks, mails = several(hook, count=3), several(mail, count=3)
    monkeypatch.setattr(delivery_service, "record", record)

    deliver(webhooks[0].pk)
    deliver(mails[0].pk)

    assert [number for number in recorded if number] == [3, 1, 1, 1]
    assert states_of([*webhooks, *mails]) == ["delivered"] * 6


class TestAskedFor:
    """A message a delivery, unless the senders have messages enough and its channel is served anyway."""

    @pytest.fixture
    def busy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the senders have messages enough."""
        monkeypatch.setattr(pipeline, "queued", lambda step: pipeline.MAX_QUEUED)

    def test_idle_senders_get_a_message_each(self, hook: Channel, asked: list[tuple[Step, int]]) -> None:
        deliveries = [delivery_to(hook) for _ in range(3)]

        outbox.ask_for(deliveries)

        assert asked == [(Step.DELIVER, delivery.pk) for delivery in deliveries]

    def test_a_channel_that_others_wait_for_gets_no_more(
        self, hook: Channel, receiver: HttpServer, asked: list[tuple[Step, int]], busy: None
    ) -> None:
        earlier, new = delivery_to(hook), delivery_to(hook)

        outbox.ask_for([new])

        assert asked == []
        several(hook, count=0)
        deliver(earlier.pk)
        assert states_of([earlier, new]) == ["delivered", "delivered"]

    def test_a_channel_that_nothing_else_waits_for_gets_its_message(
        self, hook: Channel, receiver: HttpServer, asked: list[tuple[Step, int]], busy: None
    ) -> None:
        delivery_to(hook)
        other = delivery_to(webhook_to(receiver, name="Other"))

        outbox.ask_for([other])

        assert asked == [(Step.DELIVER, other.pk)]

    def test_a_broker_that_is_away_is_no_error(
        self, hook: Channel, asked: list[tuple[Step, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(step: Step) -> int:
            raise pipeline.BrokerUnavailableError("down")

        monkeypatch.setattr(pipeline, "queued", away)

        outbox.ask_for([delivery_to(hook)])

        assert asked == []
