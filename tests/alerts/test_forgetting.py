"""Messages that never arrived hold a picture no longer than its event is kept."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Channel, Delivery
from alerts.services.delivery import retry_delivery
from alerts.services.forgetting import forget_messages
from alerts.tasks import forget_messages as task
from siteadmin.celery import app
from tests.alerts.telling import deliver_now, delivery_to
from tests.factories import AlertFactory, DeliveryFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db


def failed(hook: Channel, receiver: HttpServer) -> Delivery:
    receiver.script(Answer(404))
    delivery = delivery_to(hook)
    deliver_now(delivery)
    assert (delivery.state, bool(delivery.body)) == ("failed", True)
    return delivery


def has_body(delivery: Delivery) -> bool:
    delivery.refresh_from_db()
    return delivery.body is not None


def test_what_failed_forgets_its_message_with_its_event_and_is_told_anew(hook: Channel, receiver: HttpServer) -> None:
    delivery = failed(hook, receiver)
    assert (forget_messages().deliveries, has_body(delivery)) == (0, True)
    assert delivery.alert is not None and delivery.alert.event is not None
    delivery.alert.event.delete()

    assert [forget_messages().deliveries for _ in range(2)] == [1, 0]

    assert not has_body(delivery)
    retry_delivery(delivery.pk)
    assert deliver_now(delivery).outcome == "delivered"
    assert [request.headers["webhook-id"] for request in receiver.requests] == [delivery.idempotency_key] * 2


@pytest.mark.parametrize(("days", "number"), [(30, 1), (0, 0)])
def test_digests_are_kept_as_long_as_pictures_are(settings: Any, days: int, number: int) -> None:
    settings.RETENTION_DAYS = days
    made = {"alert": None, "purpose": "digest", "state": "failed", "due_at": None, "body": b"x"}
    old, young = (DeliveryFactory(**made, created_at=timezone.now() - timedelta(days=age)) for age in (31, 29))

    assert forget_messages().deliveries == number

    assert (has_body(old), has_body(young)) == (number == 0, True)


def test_what_is_on_its_way_or_about_a_cameras_silence_stays() -> None:
    waiting = DeliveryFactory(alert=AlertFactory(event=None, camera=AlertFactory().camera), body=b"x")
    silence = AlertFactory(event=None, camera=waiting.alert.camera, trigger="camera_offline")
    about_silence = DeliveryFactory(alert=silence, state="failed", due_at=None, body=b"x")

    assert forget_messages().deliveries == 0

    assert has_body(waiting) and has_body(about_silence)


def test_beat_asks_for_it() -> None:
    assert task.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
