"""A channel's limit, the digest of what goes over it, and one message an event."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from PIL import Image

from alerts.models import Alert, Channel, ChannelPace, Delivery
from alerts.services import notices
from alerts.services.channels import update_channel
from alerts.services.delivery import deliver, retry_delivery
from alerts.services.evaluation import evaluate_event
from alerts.services.lifecycle import dismiss_alert
from tests.alerts.judging import waiting_event
from tests.alerts.telling import deliver_now, delivery_to
from tests.core.threads import run_together
from tests.factories import AlertFactory, AlertRuleFactory, ChannelFactory, UserFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(hook: Channel) -> Channel:
    """Give a webhook channel that may send two messages a minute."""
    return update_channel(hook.pk, max_messages=2, period_seconds=60)


def deliver_all(deliveries: list[Delivery]) -> list[str]:
    """Attempt each and give its state."""
    for delivery in deliveries:
        deliver(delivery.pk)
        delivery.refresh_from_db()
    return [delivery.state for delivery in deliveries]


def end_period() -> None:
    """Let the channels' period be over, and what waits for it be due."""
    ChannelPace.objects.get_queryset().update(started_at=F("started_at") - timedelta(minutes=5))
    Delivery.objects.filter(gathering=True).update(due_at=F("due_at") - timedelta(minutes=5))


def send_digest() -> Any:
    """Send the digest at the end of the period and give what the receiver was told by it."""
    digest = Delivery.objects.get(purpose="digest")
    deliver_now(digest)
    return digest


def test_what_goes_over_the_limit_is_gathered_and_told_by_one_digest(limited: Channel, receiver: HttpServer) -> None:
    deliveries = [delivery_to(limited, severity="medium") for _ in range(5)]
    assert deliver_all(deliveries) == ["delivered", "delivered", "digested", "digested", "digested"]
    assert Delivery.objects.sweep(limit=10) == []

    end_period()
    digest = send_digest()

    body = json.loads(receiver.requests[-1].body)
    assert (len(receiver.requests), body["type"], body["data"]["digest"]["count"]) == (3, "alert.digest", 3)
    assert receiver.requests[-1].headers["webhook-id"] == digest.idempotency_key
    assert {alert.status for alert in Alert.objects.get_all()} == {"delivered"}
    assert Delivery.objects.filter(told_by=digest, state="digested", delivered_at__isnull=False).count() == 3


def test_a_new_period_begins_with_the_digest(limited: Channel, receiver: HttpServer) -> None:
    deliver_all([delivery_to(limited) for _ in range(3)])
    end_period()

    send_digest()

    assert deliver_all([delivery_to(limited) for _ in range(2)]) == ["delivered", "digested"]


def test_critical_alerts_pass_and_count(limited: Channel, receiver: HttpServer) -> None:
    deliver_all([delivery_to(limited) for _ in range(2)])

    assert deliver_all([delivery_to(limited, severity="critical")]) == ["delivered"]
    assert ChannelPace.objects.get().sent == 3


def test_without_a_limit_nothing_is_counted(hook: Channel, receiver: HttpServer) -> None:
    deliver_all([delivery_to(hook)])

    assert not ChannelPace.objects.exists()


def test_a_digest_whose_alerts_were_all_dismissed_is_not_sent(limited: Channel, receiver: HttpServer) -> None:
    deliveries = [delivery_to(limited) for _ in range(3)]
    deliver_all(deliveries)
    assert deliveries[2].alert_id is not None
    dismiss_alert(deliveries[2].alert_id, by=UserFactory())
    end_period()

    digest = send_digest()

    assert (digest.state, digest.gathering, len(receiver.requests)) == ("skipped", False, 2)
    assert deliver_all([delivery_to(limited) for _ in range(3)]) == ["delivered", "delivered", "digested"]
    assert Delivery.objects.filter(purpose="digest").count() == 2


def test_a_digest_that_failed_once_is_sent_unchanged_and_takes_nothing_more(
    limited: Channel, receiver: HttpServer
) -> None:
    deliver_all([delivery_to(limited) for _ in range(3)])
    end_period()
    receiver.script(Answer(500))
    digest = send_digest()

    late = [delivery_to(limited) for _ in range(2)]
    outcomes = deliver_all(late)
    deliver_now(digest)

    assert outcomes == ["delivered", "digested"]
    first, _, second = receiver.requests[2:]
    assert first.body == second.body
    assert json.loads(second.body)["data"]["digest"]["count"] == 1


def test_the_worst_are_named_first(limited: Channel, receiver: HttpServer) -> None:
    deliver_all([delivery_to(limited) for _ in range(2)])
    severities = ["low", "high", "medium"]
    deliver_all([delivery_to(limited, alert=AlertFactory(severity=one), severity=one) for one in severities])
    end_period()

    send_digest()

    data = json.loads(receiver.requests[-1].body)["data"]
    assert [one["alert"]["severity"] for one in data["worst"]] == ["high", "medium", "low"]
    assert data["digest"]["by_severity"] == {"high": 1, "medium": 1, "low": 1}


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_no_more_than_the_limit_and_open_one_digest(hook: Channel, receiver: HttpServer) -> None:
    update_channel(hook.pk, max_messages=5, period_seconds=600)
    deliveries = [delivery_to(hook) for _ in range(40)]

    def work(number: int) -> list[str]:
        try:
            return deliver_all(deliveries[number::8])
        finally:
            connection.close()

    run_together(work, workers=8)

    # Whom the others kept from it is asked for again.
    states = deliver_all(deliveries)
    assert (states.count("delivered"), len(receiver.requests)) == (5, 5)
    assert states.count("digested") == 35
    assert Delivery.objects.filter(purpose="digest").count() == 1


class TestOnceAnEvent:
    """Several rules that hold for an event send a channel one message at each severity."""

    def test_the_first_message_tells_of_all_rules(self, hook: Channel, receiver: HttpServer) -> None:
        for name in ("Nights", "People"):
            AlertRuleFactory(name=name, channels=[hook], severity="high")
        evaluate_event(waiting_event().pk)

        first, second = Delivery.objects.order_by("pk")
        deliver(first.pk)

        assert (second.state, second.told_by, len(receiver.requests)) == ("digested", first, 1)
        assert {alert.status for alert in Alert.objects.get_all()} == {"delivered"}

    def test_another_severity_is_told_by_itself(self, hook: Channel, receiver: HttpServer) -> None:
        for severity in ("high", "critical"):
            AlertRuleFactory(channels=[hook], severity=severity)

        evaluate_event(waiting_event().pk)

        assert Delivery.objects.filter(state="pending").count() == 2

    def test_a_rule_that_holds_later_is_told_of_by_what_was_sent(self, hook: Channel, receiver: HttpServer) -> None:
        AlertRuleFactory(channels=[hook])
        event = waiting_event()
        evaluate_event(event.pk)
        deliver(Delivery.objects.get().pk)
        rule = AlertRuleFactory(channels=[hook])
        type(event).objects.wait_again(event.pk)

        evaluate_event(event.pk)

        assert Alert.objects.get(rule=rule).status == "delivered"
        assert Delivery.objects.filter(state="pending").count() == 0

    def test_a_rule_that_holds_after_the_message_failed_for_good_gets_one_of_its_own(
        self, hook: Channel, receiver: HttpServer
    ) -> None:
        AlertRuleFactory(channels=[hook])
        event = waiting_event()
        evaluate_event(event.pk)
        receiver.script(Answer(404))
        failed = Delivery.objects.get()
        deliver(failed.pk)
        rule = AlertRuleFactory(channels=[hook])
        type(event).objects.wait_again(event.pk)

        evaluate_event(event.pk)
        deliver(Delivery.objects.exclude(pk=failed.pk).get().pk)

        assert Alert.objects.get(rule=rule).status == "delivered"
        retry_delivery(failed.pk)
        deliver_now(failed)
        assert (failed.state, len(receiver.requests)) == ("delivered", 3)

    def test_a_rule_that_holds_after_the_digest_failed_for_good_gets_a_message_of_its_own(
        self, limited: Channel, receiver: HttpServer
    ) -> None:
        deliver_all([delivery_to(limited) for _ in range(2)])
        AlertRuleFactory(channels=[limited])
        event = waiting_event()
        evaluate_event(event.pk)
        deliver(Delivery.objects.order_by("pk").last().pk)
        end_period()
        receiver.script(Answer(404))
        send_digest()
        rule = AlertRuleFactory(channels=[limited])
        type(event).objects.wait_again(event.pk)

        evaluate_event(event.pk)
        deliver(Delivery.objects.order_by("pk").last().pk)

        assert Alert.objects.get(rule=rule).status == "delivered"

    def test_another_channel_is_told_too(self, hook: Channel) -> None:
        AlertRuleFactory(channels=[hook])
        AlertRuleFactory(channels=[ChannelFactory()])

        evaluate_event(waiting_event().pk)

        assert Delivery.objects.filter(state="pending").count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_messages": 0}, "max_messages"),
        ({"max_messages": -1}, "max_messages"),
        ({"max_messages": 10**6}, "max_messages"),
        ({"period_seconds": 0}, "period_seconds"),
        ({"period_seconds": 10**9}, "period_seconds"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
    ],
)
def test_limits_that_cannot_be_used_are_refused(
    client_as: Callable[..., Any], body: dict[str, Any], field: str
) -> None:
    answer = client_as("operator").patch(f"/api/channels/{ChannelFactory().pk}", body, format="json")

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])


def test_mail_shows_the_worst_of_a_digest_in_one_picture(mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = BytesIO()
    Image.new("RGB", (640, 480), "red").save(picture, "JPEG")
    monkeypatch.setattr(notices, "event_picture", lambda event, annotated: picture.getvalue())
    channel = ChannelFactory(kind="email", config={"to": ["a@example.org"]}, max_messages=1)
    deliver_all([delivery_to(channel) for _ in range(4)])
    end_period()

    send_digest()

    assert len(mail_server.mails) == 2
    [picture_part] = [part for part in mail_server.mails[-1].parsed.walk() if part.get_content_type() == "image/jpeg"]
    with Image.open(BytesIO(picture_part.get_payload(decode=True))) as sheet:
        assert sheet.size == (960, 720)
