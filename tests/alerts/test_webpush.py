"""Web Push: devices, and messages to a push service on loopback that the device's keys open."""

from typing import Any

import pytest
from django.test import Client
from py_vapid import Vapid02

from alerts.models import Channel, PushSubscription, VapidKey
from alerts.services.channels import create_channel, problem_of, send_test_message
from alerts.services.push import public_key, subscribe_device
from cameras.models import StaffCameras
from siteadmin.core.exceptions import ValidationError
from tests.alerts.telling import deliver_now, delivery_to, letters
from tests.factories import AlertFactory, CameraFactory, UserFactory
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.push_browser import Browser, base64url

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel() -> Channel:
    public_key()
    return create_channel(name="Push", kind="webpush", config={})


def test_device_gets_a_message_that_only_it_can_open(receiver: HttpServer, channel: Channel) -> None:
    browser = Browser()
    browser.subscribe(receiver, UserFactory(role="viewer"))
    delivery = delivery_to(channel, alert=AlertFactory(camera=CameraFactory(name="<script> @everyone")))

    outcome = deliver_now(delivery)

    [request] = receiver.requests
    shown = browser.open(request.body)
    assert outcome.outcome == "delivered" and outcome.error == ""
    assert "<script> @everyone" in shown["title"] and shown["tag"] == delivery.idempotency_key
    assert b"everyone" not in request.raw
    assert request.headers["content-encoding"] == "aes128gcm" and int(request.headers["ttl"]) > 0


def test_push_service_can_tell_who_sends(receiver: HttpServer, channel: Channel) -> None:
    Browser().subscribe(receiver, UserFactory(role="viewer"))

    send_test_message(channel.pk)

    authorization = receiver.requests[0].headers["authorization"]
    assert authorization.endswith(f"k={public_key()}")
    assert Vapid02.verify(authorization)


def test_key_pair_is_made_once_and_kept_encrypted() -> None:
    assert public_key() == public_key()
    assert VapidKey.objects.count() == 1


def test_test_is_marked_as_one(receiver: HttpServer, channel: Channel) -> None:
    browser = Browser()
    browser.subscribe(receiver, UserFactory(role="viewer"))

    assert send_test_message(channel.pk).all_successful
    assert browser.open(receiver.requests[0].body)["title"] == "Test of the channel Push"


@pytest.mark.parametrize("status", [404, 410])
def test_dead_subscription_is_removed_and_the_others_are_told(
    receiver: HttpServer, channel: Channel, status: int
) -> None:
    user = UserFactory(role="viewer")
    Browser().subscribe(receiver, user, path="/push/dead")
    alive = Browser().subscribe(receiver, user)
    receiver.script(Answer(status))

    outcome = deliver_now(delivery_to(channel))

    assert outcome.outcome == "delivered" and "1 of 2" in outcome.error
    assert [device.pk for device in PushSubscription.objects.get_all()] == [alive.pk]
    channel.refresh_from_db()
    assert channel.enabled


def test_device_that_could_not_be_told_is_told_by_the_next_attempt(receiver: HttpServer, channel: Channel) -> None:
    user = UserFactory(role="viewer")
    Browser().subscribe(receiver, user)
    Browser().subscribe(receiver, user, path="/push/2")
    receiver.script(Answer(201), Answer(503))
    delivery = delivery_to(channel)

    first, second = deliver_now(delivery), deliver_now(delivery)

    assert (first.outcome, second.outcome) == ("retry", "delivered")
    # What a device has twice, it shows once.
    assert len({request.headers["topic"] for request in receiver.requests}) == 1


def test_without_devices_it_says_so(channel: Channel) -> None:
    outcome = deliver_now(delivery_to(channel))

    assert outcome.outcome == "failed" and "No device" in outcome.error
    assert len(letters()) == 1


def test_only_the_chosen_and_active_people_are_told(receiver: HttpServer) -> None:
    public_key()
    ann, bob, gone = (UserFactory(role="viewer") for _ in range(3))
    for number, user in enumerate((ann, bob, gone)):
        Browser().subscribe(receiver, user, path=f"/push/{number}")
    gone.is_active = False
    gone.save()
    some = create_channel(name="Some", kind="webpush", config={"users": [ann.username, gone.username]})
    everybody = create_channel(name="All", kind="webpush", config={"users": []})

    send_test_message(some.pk)
    send_test_message(everybody.pk)

    assert [request.target for request in receiver.requests] == ["/push/0", "/push/0", "/push/1"]


def test_addresses_of_push_services_are_judged(receiver: HttpServer, channel: Channel, settings: Any) -> None:
    Browser().subscribe(receiver, UserFactory(role="viewer"))
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    outcome = deliver_now(delivery_to(channel))

    assert outcome.outcome == "failed" and receiver.requests == []


def test_lost_key_is_said(channel: Channel, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", []
    channel = create_channel(name="New", kind="webpush", config={})

    assert "SECRET_KEY" in problem_of(channel)
    assert not send_test_message(channel.pk).all_successful


@pytest.mark.parametrize(
    ("config", "field"),
    [({"users": "ann"}, "config.users"), ({"users": ["nobody"]}, "config.users.0"), ({"user": []}, "config.user")],
)
def test_bad_setting_is_named(client_as: Any, config: dict[str, Any], field: str) -> None:
    answer = client_as("operator").post(
        "/api/channels", {"name": "P", "kind": "webpush", "config": config}, format="json"
    )

    assert answer.status_code == 400
    assert [error["field"] for error in answer.data["errors"]] == [field]


def login(role: str = "viewer") -> tuple[Client, Any]:
    client, user = Client(), UserFactory(role=role)
    client.force_login(user)
    return client, user


def test_device_is_enabled_and_disabled_by_its_owner_alone() -> None:
    (client, user), (other, _) = login(), login()
    form = {"endpoint": "https://push.example.com/1", **Browser().keys, "device": "Phone"}

    client.post("/notifications/enable/", form)
    client.post("/notifications/enable/", form)

    [device] = PushSubscription.objects.get_all()
    assert (device.user_id, device.endpoint, device.device) == (user.pk, "https://push.example.com/1", "Phone")
    assert "Phone" in client.get("/notifications/").content.decode()
    assert "Phone" not in other.get("/notifications/").content.decode()
    other.post(f"/notifications/{device.pk}/disable/")
    assert PushSubscription.objects.count() == 1
    client.post(f"/notifications/{device.pk}/disable/")
    assert PushSubscription.objects.count() == 0


@pytest.mark.parametrize(
    "bad",
    [{"endpoint": "http://push.example.com"}, {"endpoint": "file:///x"}, {"endpoint": ""}]
    + [{"p256dh": "x"}, {"p256dh": ""}, {"auth": "ä"}, {"auth": base64url(b"short")}, {"endpoint": "https://[x"}],
)
def test_what_no_browser_gives_is_refused(bad: dict[str, str]) -> None:
    given = {"endpoint": "https://push.example.com/1", **Browser().keys, "device": ""}

    with pytest.raises(ValidationError):
        subscribe_device(user_id=UserFactory(role="viewer").pk, **{**given, **bad})


def test_service_worker_is_public_at_the_root_and_page_is_not() -> None:
    worker = Client().get("/sw.js")

    assert worker.status_code == 200
    assert worker["Content-Type"].startswith("text/javascript")
    assert Client().get("/notifications/").status_code == 302


def test_page_says_what_it_needs() -> None:
    assert "HTTPS" in login()[0].get("/notifications/").content.decode()


def test_channel_that_reaches_no_device_says_so(channel: Channel, receiver: HttpServer) -> None:
    assert "/notifications/" in problem_of(channel)

    Browser().subscribe(receiver, UserFactory(role="viewer"))

    assert problem_of(channel) == ""


@pytest.mark.parametrize(("limited_to", "arrives"), [(None, True), (["porch"], True), (["yard"], False), ([], False)])
def test_who_may_not_see_the_camera_is_not_told(
    receiver: HttpServer, channel: Channel, limited_to: list[str] | None, arrives: bool
) -> None:
    Browser().subscribe(receiver, UserFactory(role="viewer"), path="/push/all")
    user = UserFactory(role="viewer")
    if limited_to is not None:
        StaffCameras.objects.limit(user.pk, camera_ids=limited_to)
    Browser().subscribe(receiver, user, path="/push/limited")

    deliver_now(delivery_to(channel, alert=AlertFactory(camera=CameraFactory(id="porch"))))

    told = sorted(request.target for request in receiver.requests)
    assert told == (["/push/all", "/push/limited"] if arrives else ["/push/all"])


def test_a_test_tells_of_no_camera_and_so_reaches_everybody(receiver: HttpServer, channel: Channel) -> None:
    user = UserFactory(role="viewer")
    StaffCameras.objects.limit(user.pk, camera_ids=["porch"])
    Browser().subscribe(receiver, user)

    assert send_test_message(channel.pk).all_successful
