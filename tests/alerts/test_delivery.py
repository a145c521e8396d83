"""One delivery: what each answer leads to, and what is left when a worker dies."""

import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from alerts import tasks
from alerts.choices import AlertStatus
from alerts.models import Channel, Delivery
from alerts.results import DeliveryResult
from alerts.services.attempts import record
from alerts.services.channels import create_channel
from alerts.services.delivery import deliver
from cameras.services import delete_camera
from events.models import Event
from siteadmin.core.retry import requeue
from tests.alerts.telling import SECRET, attempt, claim, deliver_now, delivery_to, letters, waits
from tests.factories import DeliveryFactory
from tests.fakes.http_server import Answer, HttpServer, closed_port
from tests.fakes.smtp_server import SmtpServer
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db


def expire_lease(delivery: Delivery) -> None:
    """Let the time of a dead worker's lease pass."""
    Delivery.objects.get_queryset().filter(pk=delivery.pk).update(due_at="2026-01-01T00:00:00Z")


def test_webhook_gets_the_payload_of_the_contract_with_a_valid_signature(hook: Channel, receiver: HttpServer) -> None:
    delivery = delivery_to(hook)

    result = deliver(delivery.pk)

    [request] = receiver.requests
    body = json.loads(request.body)
    assert Webhook(SECRET).verify(request.body, request.headers) == body
    assert request.headers["webhook-id"] == delivery.idempotency_key
    assert body["type"] == "alert.created"
    assert set(body["data"]) == {"alert", "event", "camera", "links"}
    assert body["data"]["alert"]["id"] == delivery.alert_id
    assert body["data"]["event"]["risk_level"] == "medium"
    assert body["data"]["camera"]["id"] == delivery.alert.camera_id
    assert body["data"]["links"]["event"].endswith(f"/admin/events/event/{delivery.alert.event_id}/change/")
    assert result.all_successful and result.counts == {"delivered": 1} and result.alert_id == delivery.alert_id


def test_success_marks_delivery_and_alert_delivered(hook: Channel) -> None:
    delivery = delivery_to(hook)

    deliver_now(delivery)

    delivery.alert.refresh_from_db()
    [logged] = delivery.attempt_log.all()
    assert (delivery.state, delivery.attempts, delivery.due_at) == ("delivered", 1, None)
    assert delivery.delivered_at is not None
    assert (logged.outcome, logged.status_code, logged.number) == ("delivered", 200, 1)
    assert delivery.alert.status == AlertStatus.DELIVERED


def test_a_delivery_takes_no_acknowledgement_back(hook: Channel) -> None:
    delivery = delivery_to(hook, alert__status=AlertStatus.ACKNOWLEDGED)

    deliver_now(delivery)

    delivery.alert.refresh_from_db()
    assert (delivery.state, delivery.alert.status, delivery.alert.delivered_at) == ("delivered", "acknowledged", None)


def test_inbox_accepts_at_once_and_reaches_nothing() -> None:
    delivery = DeliveryFactory()

    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state) == ("delivered", "delivered")


def test_second_run_sends_nothing(hook: Channel, receiver: HttpServer) -> None:
    delivery = delivery_to(hook)
    deliver(delivery.pk)

    assert deliver(delivery.pk) == DeliveryResult(alert_id=None)
    assert len(receiver.requests) == 1


def test_delivering_costs_the_same_statements(hook: Channel) -> None:
    delivery = delivery_to(hook)

    with assert_query_count("deliver a webhook"):
        deliver(delivery.pk)


def test_task_answers_with_the_result(hook: Channel) -> None:
    delivery = delivery_to(hook)

    result = tasks.deliver.apply(args=(delivery.pk,)).get()

    assert isinstance(result, DeliveryResult) and result.all_successful


def test_unknown_delivery_is_nothing_to_do() -> None:
    assert deliver(999_999) == DeliveryResult(alert_id=None)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_answer_that_may_pass_is_retried_and_then_succeeds(hook: Channel, receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status))
    delivery = delivery_to(hook)

    first = deliver_now(delivery)
    state_between = delivery.state
    second = deliver_now(delivery)

    assert (first.outcome, first.status_code, state_between) == ("retry", status, "pending")
    assert (second.outcome, delivery.state, delivery.attempts) == ("delivered", "delivered", 2)
    assert letters() == []


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 422])
def test_refusal_is_final_and_leaves_a_dead_letter(hook: Channel, receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status))
    delivery = delivery_to(hook)

    outcome = deliver_now(delivery)

    [letter] = letters()
    assert (outcome.outcome, delivery.state, delivery.due_at) == ("failed", "failed", None)
    assert (letter.task, letter.subject, letter.attempts) == ("alerts.deliver", str(delivery.pk), 1)
    assert str(status) in letter.error
    assert letter.payload["idempotency_key"] == delivery.idempotency_key


def test_receiver_that_is_down_is_retried(loopback: None) -> None:
    with closed_port() as port:
        channel = create_channel(name="Down", kind="webhook", config={"url": f"http://127.0.0.1:{port}/"})
        delivery = delivery_to(channel)

        outcome = deliver_now(delivery)

    assert (outcome.outcome, outcome.status_code, delivery.state) == ("retry", None, "pending")
    assert "refused" in outcome.error


def test_bytes_stay_the_same_over_all_attempts_though_the_event_grows(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(500), Answer(503))
    delivery = delivery_to(hook)
    deliver_now(delivery)
    kept = bytes(delivery.body)
    Event.objects.get_queryset().filter(pk=delivery.alert.event_id).update(risk_score=99, summary="grown")

    deliver_now(delivery)
    deliver_now(delivery)

    assert len({request.body for request in receiver.requests}) == 1
    assert {request.headers["webhook-id"] for request in receiver.requests} == {delivery.idempotency_key}
    assert kept == receiver.requests[0].body
    assert delivery.body is None  # it arrived, and may hold a picture


def test_every_attempt_is_signed_at_its_own_time(
    hook: Channel, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.script(Answer(500))
    delivery = delivery_to(hook)

    for now in (1_800_000_000.9, 1_800_000_060.2):
        monkeypatch.setattr("alerts.channels.webhook.time.time", lambda now=now: now)
        deliver_now(delivery)

    stamps = [request.headers["webhook-timestamp"] for request in receiver.requests]
    signatures = {request.headers["webhook-signature"] for request in receiver.requests}
    assert stamps == ["1800000000", "1800000060"]
    assert len(signatures) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(hook: Channel, receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status, headers={"Retry-After": "120"}))
    delivery = delivery_to(hook)

    deliver_now(delivery)

    assert waits(delivery, at_least=120, at_most=120)


def test_retry_after_beyond_an_hour_is_an_hour(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(429, headers={"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}))
    delivery = delivery_to(hook)

    deliver_now(delivery)

    assert waits(delivery, at_least=3600, at_most=3600)


def test_pauses_grow_up_to_the_doubled_base(hook: Channel, receiver: HttpServer, settings: Any) -> None:
    settings.DELIVERY_RETRY_BASE = timedelta(seconds=2)
    receiver.script(*[Answer(500)] * 3)
    delivery = delivery_to(hook)

    for longest in (2, 4, 8):
        deliver_now(delivery)
        assert waits(delivery, at_least=0, at_most=longest)


def test_last_attempt_leaves_a_dead_letter(hook: Channel, receiver: HttpServer, settings: Any) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 3
    receiver.default = Answer(500)
    delivery = delivery_to(hook)

    outcomes = [deliver_now(delivery).outcome for _ in range(3)]

    [letter] = letters()
    assert outcomes == ["retry", "retry", "failed"]
    assert (delivery.state, letter.attempts, len(receiver.requests)) == ("failed", 3, 3)


def test_requeued_dead_letter_is_sent_under_the_same_key(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(400))
    delivery = delivery_to(hook)
    deliver_now(delivery)

    assert requeue(letters()[0].pk)
    outcome = deliver_now(delivery)

    first, second = receiver.requests
    assert outcome.outcome == "delivered" and letters() == []
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert [logged.number for logged in delivery.attempt_log.order_by("number")] == [1, 2]


def test_dismissed_alert_is_told_to_nobody(hook: Channel, receiver: HttpServer) -> None:
    delivery = delivery_to(hook, alert__status=AlertStatus.DISMISSED)

    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state, delivery.due_at) == ("skipped", "skipped", None)
    assert receiver.requests == []


def test_alert_of_a_camera_that_was_deleted_meanwhile_is_told_to_nobody(hook: Channel, receiver: HttpServer) -> None:
    delivery = delivery_to(hook)
    delete_camera(delivery.alert.camera_id)

    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state, delivery.reason) == ("skipped", "skipped", "The camera was deleted")
    assert receiver.requests == []


def test_worker_that_dies_after_sending_leaves_the_same_message_to_the_next(
    hook: Channel, receiver: HttpServer
) -> None:
    delivery = delivery_to(hook)
    claimed = claim(delivery)
    assert claimed is not None
    attempt(claimed)

    expire_lease(delivery)
    [outcome] = deliver(delivery.pk).outcomes

    first, second = receiver.requests
    assert outcome.outcome == "delivered"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_worker_that_lost_its_lease_records_nothing(hook: Channel, receiver: HttpServer) -> None:
    receiver.script(Answer(400))
    delivery = delivery_to(hook)
    slow = claim(delivery)
    assert slow is not None
    verdict = attempt(slow)
    assert verdict is not None
    expire_lease(delivery)
    deliver(delivery.pk)

    assert record([(slow, verdict)]) == {}

    delivery.refresh_from_db()
    assert (delivery.state, letters()) == ("delivered", [])
    assert [logged.outcome for logged in delivery.attempt_log.all()] == ["delivered"]


def test_worker_whose_lease_ran_out_before_the_body_was_built_sends_nothing(
    hook: Channel, receiver: HttpServer
) -> None:
    delivery = delivery_to(hook)
    slow = claim(delivery)
    assert slow is not None
    expire_lease(delivery)
    claim(delivery)

    assert attempt(slow) is None
    assert receiver.requests == []


def test_message_that_kills_every_worker_ends_as_a_dead_letter(
    hook: Channel, receiver: HttpServer, settings: Any
) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 2
    delivery = delivery_to(hook)
    for _ in range(2):
        assert claim(delivery) is not None
        expire_lease(delivery)

    [outcome] = deliver(delivery.pk).outcomes

    assert (outcome.outcome, receiver.requests) == ("failed", [])
    assert letters()[0].error == "No attempt is left: each one failed, or its worker died"


def test_email_delivery_is_kept_whole_before_it_is_sent(mail_server: SmtpServer) -> None:
    mail_server.data_replies.append("451 later")
    delivery = delivery_to(create_channel(name="Mail", kind="email", config={"to": ["ann@example.org"]}))

    outcomes = [deliver_now(delivery).outcome for _ in range(2)]

    first, second = mail_server.mails
    assert outcomes == ["retry", "delivered"]
    assert first.raw == second.raw
    assert first.parsed["Message-ID"] == f"<{delivery.idempotency_key}@localhost>"


def test_email_without_a_mail_server_fails_with_that_reason() -> None:
    delivery = delivery_to(create_channel(name="Mail", kind="email", config={"to": ["ann@example.org"]}))

    outcome = deliver_now(delivery)

    assert (outcome.outcome, delivery.state) == ("failed", "failed")
    assert "EMAIL_URL" in letters()[0].error


def test_refused_recipient_is_named_on_the_attempt(mail_server: SmtpServer) -> None:
    mail_server.recipient_replies["bob@example.org"] = "550 no such user"
    config = {"to": ["ann@example.org", "bob@example.org"]}
    delivery = delivery_to(create_channel(name="Mail", kind="email", config=config))

    deliver_now(delivery)

    [logged] = delivery.attempt_log.all()
    assert (delivery.state, logged.outcome) == ("delivered", "delivered")
    assert "bob@example.org" in logged.error
