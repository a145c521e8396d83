"""The Apprise channel, against a real receiver on loopback."""

import html
import ipaddress
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.channels import apprise
from alerts.channels.apprise import AppriseTransport
from alerts.channels.base import ChannelError, ConfigError, Message, Sent
from alerts.results import Notice
from alerts.services.channels import create_channel, send_test_message, shown_config, update_channel
from tests.fakes.http_server import Answer, HttpServer, closed_port

transport = AppriseTransport()
NOTICE = Notice(
    type="alert.created",
    at=datetime(2026, 3, 14, tzinfo=UTC),
    title="High: person at <script> @everyone",
    facts=(("Rule", "Nights"),),
    links={"event": "http://localhost/e"},
    picture=b"\xff\xd8jpeg",
)
MESSAGE = Message(key="msg_1", body=transport.compose(NOTICE, key="msg_1", config={}))


def config(receiver: HttpServer, *, path: str = "/hook", query: str = "") -> dict[str, Any]:
    return {"url": f"json://u:geheim@127.0.0.1:{receiver.port}{path}{query}", "shown": "json://127.0.0.1"}


def send(receiver: HttpServer, **parts: str) -> Sent:
    return transport.send(MESSAGE, config=config(receiver, **parts))


def refusal(receiver: HttpServer, **parts: str) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        send(receiver, **parts)
    return caught.value


def problem_of(url: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        transport.validate({"url": url})
    return caught.value.problems["config.url"]


def test_message_arrives_with_text_link_and_picture(receiver: HttpServer) -> None:
    sent = send(receiver)

    [request] = receiver.requests
    body = json.loads(request.body)
    assert body["title"] == "High: person at <script> @\u200beveryone"
    assert body["message"] == "Rule: Nights\nhttp://localhost/e"
    assert [a["mimetype"] for a in body["attachments"]] == ["image/jpeg"]
    assert sent == Sent(status_code=200)


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (401, True), (410, True), (429, False), (500, False), (503, False)]
)
def test_refusals_are_judged_by_their_status(receiver: HttpServer, status: int, permanent: bool) -> None:
    receiver.script(Answer(status, headers={"Retry-After": "7"}))

    error = refusal(receiver)

    assert (error.status_code, error.permanent, error.gone) == (status, permanent, False)
    assert error.retry_after == (timedelta(seconds=7) if status in (429, 500, 503) else None)


def test_apprise_itself_tries_once_whatever_the_url_says(receiver: HttpServer) -> None:
    receiver.default = Answer(503)

    refusal(receiver, query="?retry=5&wait=0.1")

    assert len(receiver.requests) == 1


def test_redirects_are_not_followed_whatever_the_url_says(receiver: HttpServer) -> None:
    receiver.script(Answer(302, headers={"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}))

    error = refusal(receiver, query="?redirect=yes")

    assert (error.status_code, error.permanent) == (302, True)
    assert len(receiver.requests) == 1


def test_service_that_is_down_is_tried_again() -> None:
    with closed_port() as port, pytest.raises(ChannelError) as caught:
        transport.send(MESSAGE, config={"url": f"json://203.0.113.1:{port}/", "shown": ""})
    assert caught.value.permanent  # a documentation range: refused, never connected to


def test_service_that_hangs_ends_at_the_deadline(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.script(Answer(hang=True))
    monkeypatch.setattr(apprise, "SEND_DEADLINE", timedelta(seconds=3))
    started = time.monotonic()

    error = refusal(receiver)

    assert not error.permanent and "in time" in str(error)
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"])
def test_addresses_are_judged_where_they_are_connected_to(settings: Any, host: str) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    with pytest.raises(ChannelError) as caught:
        transport.send(MESSAGE, config={"url": f"json://{host}:9/", "shown": ""})

    assert caught.value.permanent and "may not be connected to" in str(caught.value)


def test_metadata_stays_closed_though_everything_is_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("0.0.0.0/0")]

    with pytest.raises(ChannelError, match="metadata"):
        transport.send(MESSAGE, config={"url": "json://169.254.169.254/", "shown": ""})


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://x", "dbus://", "qt://", "gnome://", "windows://", "syslog://", "macosx://"]
    + ["SYSLOG://x", "glib://", "blink1://", "nonsense", "", None, 7, "json://a\nb", "json://" + "a" * 2000],
)
def test_url_that_names_no_service_elsewhere_is_refused(url: Any) -> None:
    assert problem_of(url)


def test_address_written_out_is_judged_at_once(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    assert "may not be connected to" in problem_of("json://192.168.1.7/x")


def test_service_reads_no_file_of_the_machine(receiver: HttpServer, tmp_path: Any) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"type": "service_account"}')

    with pytest.raises(ChannelError):
        transport.send(MESSAGE, config={"url": f"fcm://project/device/?keyfile={key}", "shown": ""})


def test_child_knows_nothing_of_the_environment(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HTTP_PROXY", "http://127.0.0.1:9")

    assert send(receiver).status_code == 200


@pytest.mark.django_db
def test_url_is_masked_and_kept_when_sent_back(receiver: HttpServer, client_as: Any) -> None:
    url = config(receiver)["url"]
    channel = create_channel(name="Any", kind="apprise", config={"url": url})
    shown = shown_config(channel)

    changed = update_channel(channel.pk, config=shown)

    assert changed.config["url"] == url
    assert "geheim" not in json.dumps(shown)
    assert "geheim" not in client_as("operator").get(f"/api/channels/{channel.pk}").content.decode()
    assert send_test_message(channel.pk).all_successful
    assert "Test of the channel Any" in receiver.requests[0].body.decode()


CALLS = ["@everyone", "@here", "@room", "<@1234>", "<@&1234>", "<!channel>", "!here>", "<@U6TTX1F9R>"]
ASK_SERVICE = """
import json, sys
from alerts.channels.apprise_child import make_service
service, sent = make_service(sys.argv[1]), []
type(service)._send = lambda self, *args, **named: sent.append([args, named]) or {"ok": True}
for content in json.load(sys.stdin):
    service.notify(body=content["body"], title=content["title"], body_format="text")
json.dump(sent, sys.stdout, default=str, ensure_ascii=False)
"""


@pytest.mark.parametrize(
    "url", ["discord://1234/token", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"]
)
def test_the_name_of_a_camera_calls_nobody_in_a_chat(url: str) -> None:
    notices = [Notice("alert.created", NOTICE.at, f"High: person at {call}", (("Camera", call),)) for call in CALLS]
    contents = [json.loads(transport.compose(notice, key="k", config={})) for notice in notices]
    asked = [sys.executable, "-c", ASK_SERVICE, url]

    told = subprocess.run(asked, input=json.dumps(contents), capture_output=True, text=True, check=True).stdout

    assert len(json.loads(told)) == len(CALLS)
    assert told.count("\u200b") >= 2 * len(CALLS)  # in the title and the text
    assert [call for call in CALLS if call in told or html.escape(call, quote=False) in told] == []


def test_an_address_and_plain_words_stay_as_they_are() -> None:
    facts = (("Rule", "Mail eve@example.org! Now!"),)
    notice = Notice(type="alert.created", at=NOTICE.at, title="Hi!", facts=facts)

    content = json.loads(transport.compose(notice, key="k", config={}))

    assert (content["title"], content["body"]) == ("Hi!", "Rule: Mail eve@example.org! Now!")
