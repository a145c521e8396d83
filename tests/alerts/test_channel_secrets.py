"""Channels' secrets: encrypted at rest, rotated, and what happens when they cannot be read."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings as site
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from alerts.channels.base import ConfigError
from alerts.models import Channel
from alerts.services.channels import (
    create_channel,
    problem_of,
    rotate_secret,
    send_test_message,
    shown_config,
    update_channel,
)
from tests.alerts.telling import SECRET, deliver_now, delivery_to, letters, webhook_to
from tests.events.seen import seen_event
from tests.factories import AlertFactory, CameraFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db
CONFIG = {"url": "https://me:geheim@example.com/x", "headers": {"Authorization": "Bearer geheim"}}


def stored(channel: Channel) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT config || secret || old_secret FROM alerts_channel WHERE id = %s", [channel.pk])
        return str(cursor.fetchone()[0])


def verifies(receiver: HttpServer, *secrets: str) -> list[bool]:
    request = receiver.requests[-1]
    answers = []
    for secret in secrets:
        try:
            Webhook(secret).verify(request.body, request.headers)
            answers.append(True)
        except Exception:  # noqa: BLE001 - the package raises several kinds
            answers.append(False)
    return answers


def test_database_holds_no_secret_in_the_clear() -> None:
    channel = create_channel(name="Hook", kind="webhook", config=CONFIG, secret=SECRET)
    rotate_secret(channel.pk)

    for secret in ("geheim", "whsec", SECRET.removeprefix("whsec_"), "example.com"):
        assert secret not in stored(channel)
    assert Channel.objects.get_all()[0].config == CONFIG


def test_lost_key_is_said_and_loses_nothing(settings: Any, receiver: HttpServer) -> None:
    key, channel = settings.SECRET_KEY, webhook_to(receiver)
    delivery = delivery_to(channel)
    settings.SECRET_KEY = "another"
    channel.refresh_from_db()

    outcome = deliver_now(delivery)
    update_channel(channel.pk, name="Renamed")

    assert "SECRET_KEY" in problem_of(channel) and shown_config(channel) == {}
    assert outcome.outcome == "failed" and "SECRET_KEY" in outcome.error and len(letters()) == 1
    assert "SECRET_KEY" in send_test_message(channel.pk).outcomes[0].error
    settings.SECRET_KEY = key
    channel.refresh_from_db()
    assert (channel.name, channel.secret) == ("Renamed", SECRET)
    assert send_test_message(channel.pk).all_successful


def test_lost_key_shows_in_the_api(settings: Any, client_as: Any, receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    client: APIClient = client_as("operator")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [], "another"
    client = client_as("operator")

    answer = client.get(f"/api/channels/{channel.pk}")

    assert answer.status_code == 200
    assert answer.data["config"] == {} and "SECRET_KEY" in answer.data["problem"]


def test_settings_entered_again_work_under_the_new_key(settings: Any, receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    settings.SECRET_KEY = "another"

    with pytest.raises(ConfigError) as caught:
        update_channel(channel.pk, config={"url": receiver.url})
    update_channel(channel.pk, config={"url": receiver.url}, secret=SECRET)

    assert list(caught.value.problems) == ["secret"]
    assert send_test_message(channel.pk).all_successful


def test_both_secrets_sign_for_a_day_after_a_rotation(receiver: HttpServer) -> None:
    channel = webhook_to(receiver)

    new = rotate_secret(channel.pk)

    send_test_message(channel.pk)
    assert new != SECRET and verifies(receiver, SECRET, new) == [True, True]
    channel.refresh_from_db()
    channel.old_secret_until = timezone.now() - timedelta(seconds=1)
    Channel.objects.save(channel)
    send_test_message(channel.pk)
    assert verifies(receiver, SECRET, new) == [False, True]


def test_secret_that_is_stored_replaces_the_old_one_at_once(receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    new = rotate_secret(channel.pk)

    update_channel(channel.pk, secret=SECRET)

    send_test_message(channel.pk)
    assert verifies(receiver, SECRET, new) == [True, False]


def test_rotation_over_rest_shows_the_new_secret_once(client_as: Any, receiver: HttpServer) -> None:
    channel = webhook_to(receiver)

    answer = client_as("operator").post(f"/api/channels/{channel.pk}/rotate-secret")

    channel.refresh_from_db()
    assert answer.status_code == 200 and answer.data["secret"] == channel.secret
    assert channel.old_secret == SECRET and answer.data["old_secret_until"]
    assert client_as("reviewer").post(f"/api/channels/{channel.pk}/rotate-secret").status_code == 403


def test_only_webhooks_rotate(client_as: Any) -> None:
    inbox = create_channel(name="In", kind="inbox", config={})

    answer = client_as("operator").post(f"/api/channels/{inbox.pk}/rotate-secret")

    assert (answer.status_code, answer.data["errors"][0]["field"]) == (400, "secret")


def test_every_webhook_body_is_what_the_schema_says(receiver: HttpServer) -> None:
    schema = json.loads((Path(site.BASE_DIR) / "static/siteadmin/webhook.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    channel = update_channel(webhook_to(receiver).pk, action_links=True)

    send_test_message(channel.pk)
    deliver_now(delivery_to(channel))
    deliver_now(delivery_to(channel, alert=AlertFactory(event=None, camera=CameraFactory(), trigger="camera_offline")))
    deliver_now(delivery_to(channel, alert=AlertFactory(event=seen_event(risk_score=72)), step=2))
    notice = {"channel": "Mail", "reason": "It is gone"}
    deliver_now(delivery_to(channel, alert=None, purpose="notice", notice=notice))
    digest = delivery_to(channel, alert=None, purpose="digest")
    delivery_to(channel, state="digested", due_at=None, told_by=digest)
    deliver_now(digest)

    bodies = [json.loads(request.body) for request in receiver.requests]
    types = Counter(body["type"] for body in bodies)
    assert types == {"alert.created": 3, "channel.test": 1, "channel.disabled": 1, "alert.digest": 1}
    assert set(bodies[3]["data"]["links"]) == {"event", "image", "acknowledge", "snooze"}
    for body in bodies:
        validator.validate(body)
        for other in types.keys() - {body["type"]}:
            with pytest.raises(jsonschema.ValidationError):
                validator.validate({**body, "type": other})


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("webhook", "http://me:s3cret-a@127.0.0.1:{port}/x?token=s3cret-b&s3cret-c"),
        ("apprise", "json://me:s3cret-a@127.0.0.1:{port}/x?+X-Token=s3cret-b&-key=s3cret-c&:more=s3cret-d"),
    ],
)
def test_no_answer_page_or_log_line_shows_a_secret_of_the_url(
    receiver: HttpServer, client_as: Any, caplog: pytest.LogCaptureFixture, kind: str, url: str
) -> None:
    caplog.set_level("DEBUG")
    receiver.default = Answer(400)
    admin, config = client_as("admin"), {"url": url.format(port=receiver.port)}

    made = admin.post("/api/channels", {"name": "Hook", "kind": kind, "config": config}, format="json")
    channel = Channel.objects.get_by_id(made.data["id"])
    deliver_now(delivery_to(channel))
    answers = [
        made,
        admin.get("/api/channels"),
        admin.post(f"/api/channels/{channel.pk}/test"),
        admin.get("/api/deliveries"),
        admin.get("/api/dead-letters"),
        admin.get(f"/admin/alerts/channel/{channel.pk}/change/"),
        admin.get("/admin/alerts/delivery/"),
    ]

    assert "s3cret-b" in receiver.requests[-1].raw.decode("latin-1"), "it is sent"
    assert {answer.status_code for answer in answers} == {200, 201}
    assert [answer for answer in answers if b"s3cret" in answer.content] == []
    assert "delivery_attempt" in caplog.text and "s3cret" not in caplog.text
