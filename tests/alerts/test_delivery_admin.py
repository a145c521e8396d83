"""The admin pages of channels and deliveries."""

from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from alerts.channels.registry import transport_of
from alerts.messages import EVENT_PATH, IMAGE_PATH
from alerts.models import Channel
from alerts.services.channels import create_channel
from siteadmin.core.groups import sync_groups
from tests.alerts.telling import SECRET, deliver_now, delivery_to, letters, webhook_to
from tests.factories import DeliveryFactory, UserFactory
from tests.fakes.http_server import Answer, HttpServer
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
CHANNELS = "/admin/alerts/channel/"
DELIVERIES = "/admin/alerts/delivery/"


@pytest.fixture(autouse=True)
def permissions(db: None) -> None:
    """Give the roles' groups what they may do."""
    sync_groups()


@pytest.fixture
def page() -> Client:
    client = Client()
    client.force_login(UserFactory(role="operator"))
    return client


def texts(response: Any) -> str:
    return " ".join(map(str, response.context["messages"]))


def test_webhook_is_made_with_a_secret_shown_once(page: Client) -> None:
    form = {"name": "Hook", "kind": "webhook", "enabled": "on", "url": "https://example.com/x", "headers": "X-A: b: c"}

    answer = page.post(f"{CHANNELS}add/", form, follow=True)

    [channel] = Channel.objects.get_all()
    assert channel.config == {"url": "https://example.com/x", "headers": {"X-A": "b: c"}}
    assert channel.secret in texts(answer)
    assert channel.secret not in page.get(f"{CHANNELS}{channel.pk}/change/").content.decode()


def test_masked_values_that_stay_keep_the_old_ones(page: Client) -> None:
    config = {"url": "https://me:geheim@example.com/x", "headers": {"X-A": "b"}}
    channel = create_channel(name="Hook", kind="webhook", config=config, secret=SECRET)
    shown = page.get(f"{CHANNELS}{channel.pk}/change/")
    initial = shown.context["adminform"].form.initial

    form = {name: initial[name] for name in ("url", "headers")}
    page.post(f"{CHANNELS}{channel.pk}/change/", {**form, "name": "New", "enabled": "on"})

    channel.refresh_from_db()
    assert "geheim" not in shown.content.decode()
    assert (channel.name, channel.config, channel.secret) == ("New", config, SECRET)


def test_addresses_are_taken_one_a_line(page: Client) -> None:
    page.post(
        f"{CHANNELS}add/", {"name": "Mail", "kind": "email", "to": "a@example.org\r\nb@example.org, c@example.org"}
    )

    assert Channel.objects.get_all()[0].config == {"to": ["a@example.org", "b@example.org", "c@example.org"]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "webhook", "url": "ftp://x"}, "url"),
        ({"kind": "webhook", "url": "https://example.com", "headers": "Host: x"}, "headers"),
        ({"kind": "webhook", "url": "https://example.com", "headers": "no colon"}, "headers"),
        ({"kind": "webhook", "url": "https://example.com", "new_secret": "short"}, "new_secret"),
        ({"kind": "email", "to": "nobody"}, "to"),
    ],
)
def test_bad_setting_is_shown_at_its_field(page: Client, fields: dict[str, str], field: str) -> None:
    answer = page.post(f"{CHANNELS}add/", {"name": "Hook", **fields})

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert Channel.objects.count() == 0


def test_test_is_sent_from_the_list_and_its_result_shown(page: Client, receiver: HttpServer) -> None:
    receiver.script(Answer(), Answer(403))
    channel = webhook_to(receiver)
    form = {"action": "send_test", "_selected_action": [channel.pk]}

    assert "the test was accepted" in texts(page.post(CHANNELS, form, follow=True))
    assert "The receiver answered 403 Forbidden" in texts(page.post(CHANNELS, form, follow=True))


def test_test_is_sent_with_what_was_just_saved(
    page: Client, receiver: HttpServer, django_capture_on_commit_callbacks: Any
) -> None:
    channel = webhook_to(receiver)
    form = {"name": "Hook", "enabled": "on", "url": f"{receiver.url}/new", "headers": ""}

    with django_capture_on_commit_callbacks(execute=True):
        page.post(f"{CHANNELS}{channel.pk}/change/", {**form, "alerts_channel_save_and_test": "1"})

    assert [request.target for request in receiver.requests] == ["/new"]


def test_deleting_lets_what_waits_fail(page: Client, receiver: HttpServer) -> None:
    delivery = delivery_to(webhook_to(receiver), state="parked", due_at=None)

    page.post(f"{CHANNELS}{delivery.channel_id}/delete/", {"post": "yes"})

    assert deliver_now(delivery).error == "The channel was deleted"


def test_deliveries_are_read_with_their_attempts_and_not_changed(page: Client, receiver: HttpServer) -> None:
    receiver.script(Answer(404))
    delivery = delivery_to(webhook_to(receiver))
    deliver_now(delivery)

    shown = page.get(f"{DELIVERIES}{delivery.pk}/change/")
    listed = page.get(DELIVERIES)

    assert "The receiver answered 404 Not Found" in shown.content.decode()
    assert listed.status_code == 200
    assert page.post(f"{DELIVERIES}{delivery.pk}/change/", {"state": "delivered"}).status_code == 403


def test_retry_now_revives_what_failed(page: Client, receiver: HttpServer) -> None:
    receiver.script(Answer(404))
    delivery = delivery_to(webhook_to(receiver))
    deliver_now(delivery)

    answer = page.post(DELIVERIES, {"action": "retry_now", "_selected_action": [delivery.pk]}, follow=True)

    delivery.refresh_from_db()
    assert "1 will be tried again now" in texts(answer)
    assert (delivery.state, letters()) == ("pending", [])


def test_retry_now_of_what_arrived_says_no(page: Client) -> None:
    delivery = DeliveryFactory(state="delivered", due_at=None)

    answer = page.post(DELIVERIES, {"action": "retry_now", "_selected_action": [delivery.pk]}, follow=True)

    assert "cannot be tried again" in texts(answer)


@pytest.mark.parametrize(("name", "address"), [("channels", CHANNELS), ("deliveries", DELIVERIES)])
def test_lists_cost_the_same_however_long(page: Client, name: str, address: str) -> None:
    for _ in range(8):
        DeliveryFactory()

    with assert_query_count(f"admin {name} list"):
        page.get(address)


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_lower_roles_see_no_channels(role: str) -> None:
    client = Client()
    client.force_login(UserFactory(role=role))

    assert client.get(CHANNELS).status_code == 403


@pytest.mark.parametrize("path", [EVENT_PATH, IMAGE_PATH])
def test_links_in_messages_lead_somewhere(path: str) -> None:
    assert resolve(path.format(7)).url_name not in (None, "unknown")


def test_apprise_url_is_taken_masked_and_kept(page: Client, receiver: HttpServer) -> None:
    url = f"json://u:geheim@127.0.0.1:{receiver.port}/x"
    form = {"name": "Any", "kind": "apprise", "enabled": "on", "service_url": url}
    page.post(f"{CHANNELS}add/", form)
    channel = Channel.objects.get_all()[0]
    shown = page.get(f"{CHANNELS}{channel.pk}/change/").content.decode()

    masked = transport_of("apprise").mask(channel.config)["url"]
    page.post(f"{CHANNELS}{channel.pk}/change/", {"name": "New", "enabled": "on", "service_url": masked})

    channel.refresh_from_db()
    assert (channel.name, channel.config["url"]) == ("New", url)
    assert "geheim" not in shown


def test_bad_apprise_url_is_said_at_its_field(page: Client) -> None:
    form = {"name": "Any", "kind": "apprise", "enabled": "on", "service_url": "file:///etc/passwd"}

    answer = page.post(f"{CHANNELS}add/", form)

    assert "service_url" in answer.context["adminform"].form.errors
