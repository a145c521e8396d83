"""Every kind of channel against a real server on loopback: what an alert's message holds, and a marked test."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from django.contrib.admin.utils import quote, unquote
from django.urls import resolve
from PIL import Image
from standardwebhooks import Webhook

from alerts.channels import apprise
from alerts.models import Alert, Channel
from alerts.services.channels import create_channel, send_test_message
from alerts.services.push import public_key
from tests.alerts.telling import SECRET, deliver_now, delivery_to
from tests.events.seen import seen_event
from tests.factories import AlertFactory, CameraFactory, EventFactory, UserFactory, ZoneFactory
from tests.fakes.http_server import HttpServer
from tests.fakes.mqtt_broker import MqttBroker
from tests.fakes.push_browser import Browser
from tests.fakes.smtp_server import SmtpServer
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
WINTER = datetime(2026, 1, 14, 22, 30, 5, tzinfo=UTC)
IN_TOKYO = "Thursday, 15 January 2026, 07:30:05 JST"
NAME = "Front <script>alert(1)</script> @everyone"
KINDS = ["webhook", "email", "apprise", "mqtt", "webpush"]


@dataclass
class Reached:
    """What arrived, as its reader sees it."""

    text: str
    """All of it, without mark-up and escapes."""
    picture: bytes | None = None


@dataclass
class Target:
    """A kind of channel, and the server that it reaches."""

    kind: str
    config: dict[str, Any]
    read: Callable[[], Reached]
    """Give what arrived last."""

    def channel(self, **options: Any) -> Channel:
        """Make a channel to the server."""
        secret = SECRET if self.kind == "webhook" else ""
        return create_channel(name="Told", kind=self.kind, config=self.config, secret=secret, **options)


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, loopback: None) -> Iterator[Target]:
    """Give each kind in turn, with its server running."""
    kind = request.param
    if kind == "mqtt":
        with MqttBroker() as broker:
            config = {"host": "127.0.0.1", "port": broker.port}
            yield Target(kind, config, lambda: _readable(json.loads(broker.wait_for("siteadmin/alert")[-1].payload)))
    elif kind == "email":
        server: SmtpServer = request.getfixturevalue("mail_server")
        yield Target(kind, {"to": ["ann@example.org"]}, lambda: _mail(server.mails[-1].parsed))
    else:
        receiver: HttpServer = request.getfixturevalue("receiver")
        yield {"webhook": _webhook, "apprise": _apprise, "webpush": _webpush}[kind](receiver)


def _webhook(receiver: HttpServer) -> Target:
    def read() -> Reached:
        request = receiver.requests[-1]
        return _readable(Webhook(SECRET).verify(request.body, request.headers))

    return Target("webhook", {"url": f"{receiver.url}/hook?token=x"}, read)


def _apprise(receiver: HttpServer) -> Target:
    def read() -> Reached:
        body = json.loads(receiver.requests[-1].body)
        picture = body["attachments"][0]["base64"] if body["attachments"] else None
        return Reached(f"{body['title']}\n{body['message']}", None if picture is None else base64.b64decode(picture))

    return Target("apprise", {"url": f"json://127.0.0.1:{receiver.port}/"}, read)


def _webpush(receiver: HttpServer) -> Target:
    public_key()
    browser = Browser()
    browser.subscribe(receiver, UserFactory(role="viewer"))
    return Target("webpush", {}, lambda: _readable(browser.open(receiver.requests[-1].body)))


def _readable(body: Any) -> Reached:
    return Reached(json.dumps(body, ensure_ascii=False).replace("\\n", "\n"))


def _mail(mail: EmailMessage) -> Reached:
    plain = mail.get_body(("plain",))
    pictures = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "image/jpeg"]
    assert plain is not None
    text = f"{mail['Subject']}\n{plain.get_content()}"
    return Reached(text, pictures[0] if pictures and isinstance(pictures[0], bytes) else None)


def alert_of(event: Any) -> Alert:
    made: Alert = AlertFactory(event=event, rule_name="Nights", severity="high", matched_conditions=["person at night"])
    return made


def seen(**fields: Any) -> Any:
    camera = CameraFactory(name=NAME, timezone="Europe/Berlin")
    zone = ZoneFactory(camera=camera, name="Driveway")
    fields |= {"started_at": WINTER, "risk_score": 72, "reasoning": "60 for a person at night", "zones": [zone.pk]}
    return seen_event(camera=camera, object_types=["person"], **fields)


def test_message_says_what_where_when_how_bad_and_why(target: Target, settings: Any) -> None:
    settings.SITE_URL = "https://cams.example.org"
    event = seen()
    channel = target.channel(timezone="Asia/Tokyo", action_links=True)

    outcome = deliver_now(delivery_to(channel, alert=alert_of(event)))

    text = target.read().text.replace(apprise.UNSEEN_BREAK, "")
    assert outcome.outcome == "delivered", outcome.error
    for part in ("Nights", "person", NAME, "person at night", "72", "60 for a person at night"):
        assert part in text
    assert f"/admin/events/event/{event.pk}/change/" in text
    assert text.count("/links/") == 2, "to acknowledge, and to snooze"
    if target.kind in ("webhook", "mqtt"):  # programs put times and names into words themselves
        assert '"started_at": "2026-01-14T22:30:05Z"' in text and f'"zones": {event.zones}' in text
        assert f"https://cams.example.org/api/events/{event.pk}/image" in text
    else:
        assert f"High: person at {NAME}" in text
        assert IN_TOKYO in text and "23:30:05 CET at the camera" in text and "Driveway" in text


def test_message_about_a_silent_camera_leads_to_its_page(target: Target) -> None:
    camera = CameraFactory(id="gate_22", name="Gate")  # the admin takes _22 for a quoted sign
    silent = AlertFactory(event=None, camera=camera, trigger="camera_offline", severity="high")

    deliver_now(delivery_to(target.channel(), alert=silent))

    text = target.read().text
    assert "High: Gate is silent" in text or '"trigger": "camera_offline"' in text
    address = f"/admin/cameras/camera/{quote(camera.pk)}/change/"
    assert address in text and unquote(resolve(address).kwargs["object_id"]) == camera.pk


def test_links_to_act_are_given_to_whom_they_are_meant_alone(target: Target) -> None:
    deliver_now(delivery_to(target.channel(), alert=alert_of(seen())))

    assert ("/links/" in target.read().text) == (target.kind == "email")


def test_picture_arrives_where_people_look_at_it_and_never_before_it_exists(target: Target) -> None:
    channel = target.channel()
    with_picture, without = alert_of(seen()), alert_of(EventFactory())

    deliver_now(delivery_to(channel, alert=with_picture))
    picture = target.read().picture
    deliver_now(delivery_to(channel, alert=without))
    if target.kind == "mqtt":
        wait_until(lambda: '"image"' not in target.read().text)

    if target.kind in ("email", "apprise"):
        assert picture is not None and Image.open(io.BytesIO(picture)).size == (640, 480)
    assert target.read().picture is None
    assert f"/api/events/{without.event_id}/image" not in target.read().text


def test_test_is_marked_as_one_and_leaves_no_delivery(target: Target) -> None:
    channel = target.channel()

    result = send_test_message(channel.pk)

    text = target.read().text
    assert result.all_successful, result.outcomes
    assert "test" in text.lower() and "Told" in text
    assert "/links/" not in text and "/admin/events/event/" not in text
    assert channel.deliveries.count() == 0


@pytest.mark.parametrize("name", ["Cam\r\nBcc: eve@example.org", "Cam\nera", "Cam\u2028era", "<b>&amp;", "@everyone"])
def test_names_of_cameras_do_no_harm(target: Target, name: str) -> None:
    event = EventFactory(camera=CameraFactory(name=name), object_types=["person"])

    outcome = deliver_now(delivery_to(target.channel(), alert=alert_of(event)))

    assert outcome.outcome == "delivered", outcome.error
    # Where a chat would take it for a call, a sign that nobody sees stands behind the @.
    assert name.splitlines()[0] in target.read().text.replace(apprise.UNSEEN_BREAK, "")
