"""Channels and deliveries over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from alerts.models import Channel, Delivery
from alerts.services.channels import create_channel, send_test_message, update_channel
from siteadmin.core.exceptions import ChannelNotFoundError
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.alerts.telling import SECRET, deliver_now, delivery_to, webhook_to
from tests.factories import CameraFactory, ChannelFactory, DeliveryFactory
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.smtp_server import SmtpServer
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
WEBHOOK = {"name": "Hook", "kind": "webhook", "config": {"url": "https://hooks.example.com/x"}}


@pytest.fixture
def operator(client_as: Any) -> APIClient:
    client: APIClient = client_as("operator")
    return client


def create(client: APIClient, **fields: Any) -> Any:
    return client.post("/api/channels", {**WEBHOOK, **fields}, format="json")


def test_secret_is_made_and_shown_at_creation_alone(operator: APIClient) -> None:
    created = create(operator)

    fetched = operator.get(f"/api/channels/{created.data['id']}")
    assert created.status_code == 201
    assert created.data["secret"].startswith("whsec_")
    assert created["Cache-Control"] == "no-store"
    assert "secret" not in fetched.data
    assert "whsec_" not in operator.get("/api/channels").content.decode()


def test_given_secret_is_kept(operator: APIClient) -> None:
    created = create(operator, secret=SECRET)

    assert Channel.objects.get_by_id(created.data["id"]).secret == SECRET


def test_new_secret_is_taken_and_not_shown(operator: APIClient) -> None:
    channel_id = create(operator).data["id"]

    changed = operator.patch(f"/api/channels/{channel_id}", {"secret": SECRET}, format="json")

    assert changed.status_code == 200 and "secret" not in changed.data
    assert Channel.objects.get_by_id(channel_id).secret == SECRET


def test_what_was_read_can_be_sent_back_without_losing_what_is_masked(operator: APIClient) -> None:
    config = {"url": "https://me:geheim@example.com/x", "headers": {"Authorization": "Bearer x"}}
    created = create(operator, config=config)
    assert created.data["config"] == {"url": "https://me:***@example.com/x", "headers": {"Authorization": "***"}}
    read = operator.get(f"/api/channels/{created.data['id']}").data

    changed = operator.patch(f"/api/channels/{created.data['id']}", {**read, "name": "New"}, format="json")

    stored = Channel.objects.get_by_id(created.data["id"])
    assert changed.status_code == 200
    assert (stored.name, stored.config) == ("New", config)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"config": {"url": "ftp://example.com"}}, "config.url"),
        ({"config": {"url": "http://127.0.0.1/"}}, "config.url"),
        ({"config": {"url": "https://a.example", "verb": "PUT"}}, "config.verb"),
        ({"config": {"url": "https://a.example", "headers": {"Host": "x"}}}, "config.headers.Host"),
        ({"config": {"url": "https://a.example", "headers": []}}, "config.headers"),
        ({"config": []}, "config"),
        ({"config": None}, "config"),
        ({"secret": "short"}, "secret"),
        ({"kind": "pigeon"}, "kind"),
        ({"kind": "inbox"}, "config.url"),
        ({"kind": "email"}, "config.url"),
        ({"kind": "email", "config": {"to": []}}, "config.to"),
        ({"kind": "email", "config": {"to": ["a@b.org", "nobody"]}}, "config.to.1"),
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_field_is_named(operator: APIClient, fields: dict[str, Any], field: str) -> None:
    answer = create(operator, **fields)

    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.data["errors"]}
    assert Channel.objects.count() == 0


def test_taken_name_is_a_conflict(operator: APIClient) -> None:
    create(operator)
    other = create(operator, name="Other")

    assert create(operator).data["code"] == "DUPLICATE_RESOURCE"
    renamed = operator.patch(f"/api/channels/{other.data['id']}", {"name": "Hook"}, format="json")
    assert (renamed.status_code, renamed.data["code"]) == (409, "DUPLICATE_RESOURCE")


def test_kind_stays(operator: APIClient) -> None:
    channel_id = create(operator).data["id"]

    answer = operator.patch(f"/api/channels/{channel_id}", {"kind": "inbox"}, format="json")

    assert answer.status_code == 400
    assert answer.data["errors"][0]["code"] == "immutable"


def test_channel_is_deleted_once(operator: APIClient) -> None:
    channel_id = create(operator).data["id"]

    assert operator.delete(f"/api/channels/{channel_id}").status_code == 204
    assert operator.delete(f"/api/channels/{channel_id}").data["code"] == "CHANNEL_NOT_FOUND"


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_lower_roles_see_neither_channels_nor_deliveries(client_as: Any, role: str) -> None:
    channel = ChannelFactory()
    client = client_as(role)

    for path in ("/api/channels", f"/api/channels/{channel.pk}", "/api/deliveries"):
        assert client.get(path).status_code == 403
    assert client.post(f"/api/channels/{channel.pk}/test").status_code == 403


def test_keys_limited_to_cameras_see_none(api: APIClient) -> None:
    delivery = DeliveryFactory()
    _, key = create_api_key(name="k", role=Role.OPERATOR, camera_ids=[CameraFactory().pk])
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")

    assert api.get("/api/channels").data["results"] == []
    assert api.get(f"/api/channels/{delivery.channel_id}").status_code == 404
    assert api.get(f"/api/deliveries/{delivery.pk}").status_code == 404
    assert create(api).status_code == 403


def test_test_is_sent_now_marked_as_one_and_kept_nowhere(operator: APIClient, receiver: HttpServer) -> None:
    channel = webhook_to(receiver)

    answer = operator.post(f"/api/channels/{channel.pk}/test")

    [request] = receiver.requests
    assert answer.status_code == 200 and answer.data["all_successful"]
    assert b'"type":"channel.test"' in request.body
    assert answer.data["outcomes"][0]["status_code"] == 200
    assert Delivery.objects.count() == 0


def test_failed_test_says_why(operator: APIClient, receiver: HttpServer) -> None:
    receiver.script(Answer(401))
    channel = webhook_to(receiver)

    answer = operator.post(f"/api/channels/{channel.pk}/test")

    assert (answer.status_code, answer.data["counts"]) == (200, {"failed": 1})
    assert answer.data["outcomes"][0]["error"] == "The receiver answered 401 Unauthorized"


def test_channel_that_is_off_can_be_tested_before_it_is_switched_on(receiver: HttpServer) -> None:
    channel = webhook_to(receiver)
    update_channel(channel.pk, enabled=False)

    assert send_test_message(channel.pk).all_successful


def test_email_channel_without_a_mail_server_says_so(operator: APIClient) -> None:
    created = create(operator, kind="email", config={"to": ["ann@example.org"]})

    answer = operator.post(f"/api/channels/{created.data['id']}/test")

    assert "EMAIL_URL" in created.data["problem"]
    assert "EMAIL_URL" in answer.data["outcomes"][0]["error"]


def test_test_mail_is_marked_as_one(mail_server: SmtpServer) -> None:
    channel = create_channel(name="Mail", kind="email", config={"to": ["ann@example.org"]})

    assert send_test_message(channel.pk).all_successful
    assert mail_server.mails[0].parsed["Subject"] == "Test of the channel Mail"


def test_test_of_no_channel_is_not_found() -> None:
    with pytest.raises(ChannelNotFoundError):
        send_test_message(999_999)


def test_delivery_is_read_with_every_attempt(operator: APIClient, receiver: HttpServer) -> None:
    receiver.script(Answer(503))
    delivery = delivery_to(webhook_to(receiver))
    deliver_now(delivery)
    waiting = operator.get(f"/api/deliveries/{delivery.pk}").data
    deliver_now(delivery)

    done = operator.get(f"/api/deliveries/{delivery.pk}").data

    assert waiting["state"] == "pending" and waiting["next_attempt_at"] is not None
    assert (done["state"], done["attempt_count"], done["next_attempt_at"]) == ("delivered", 2, None)
    assert [(a["outcome"], a["status_code"]) for a in done["attempts"]] == [("retry", 503), ("delivered", 200)]
    assert set(done) >= {"id", "alert", "channel", "idempotency_key", "delivered_at"}


def test_deliveries_are_listed_by_alert_channel_and_state(operator: APIClient) -> None:
    first, second = DeliveryFactory(), DeliveryFactory(state="failed", due_at=None)

    def ids(query: str) -> list[int]:
        return [row["id"] for row in operator.get(f"/api/deliveries?{query}").data["results"]]

    assert ids("") == [second.pk, first.pk]
    assert ids(f"alert={first.alert_id}") == [first.pk]
    assert ids(f"channel={second.channel_id}") == [second.pk]
    assert ids("state=failed") == [second.pk]


@pytest.mark.parametrize("resource", ["channels", "deliveries"])
def test_lists_cost_the_same_however_long(operator: APIClient, resource: str) -> None:
    for _ in range(5):
        DeliveryFactory()

    with assert_query_count(f"api {resource} list"):
        operator.get(f"/api/{resource}")
