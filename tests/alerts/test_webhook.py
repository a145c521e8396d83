"""The webhook channel: its settings, its signature, and what it sends."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from alerts.channels.base import ChannelError, ConfigError, Message
from alerts.channels.webhook import (
    RESERVED_HEADERS,
    WebhookTransport,
    mask_credentials,
    parse_retry_after,
    signed_headers,
)
from alerts.results import Notice
from tests.fakes.http_server import Answer, HttpServer, closed_port

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Message(key="msg_1", body=b'{"a":1}')
webhook = WebhookTransport()


def config(url: str = "https://hooks.example.com/a", **headers: str) -> dict[str, Any]:
    return {"url": url, "headers": headers}


def problems_of(settings: dict[str, Any]) -> set[str]:
    with pytest.raises(ConfigError) as caught:
        webhook.validate(settings)
    return set(caught.value.problems)


def test_signature_is_that_of_the_published_test_vector() -> None:
    message = Message(key="msg_p5jXN8AQM9LWM0D4loKWxJek", body=b'{"test": 2432232314}')

    headers = signed_headers(message, secrets=[SECRET], timestamp=1614265330)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(body=st.binary(max_size=200), key=st.from_regex(r"msg_[0-9a-f]{32}", fullmatch=True))
def test_changed_bytes_never_pass_under_an_old_signature(body: bytes, key: str) -> None:
    message = Message(key=key, body=body)

    first = signed_headers(message, secrets=[SECRET], timestamp=1)
    other = signed_headers(Message(key=key, body=body + b" "), secrets=[SECRET], timestamp=1)

    assert first["webhook-signature"] != other["webhook-signature"]


def test_what_is_sent_is_verified_by_the_reference_library(receiver: HttpServer) -> None:
    notice = Notice(type="alert.created", at=NOW, title="Tür", data={"camera": {"name": "Tür <b>"}})
    message = Message(key="msg_1", body=webhook.compose(notice, key="msg_1", config={}))

    sent = webhook.send(message, config=config(receiver.url + "/hook?a=b", Authorization="Bearer x"), secrets=(SECRET,))

    [request] = receiver.requests
    assert sent.status_code == 200
    assert (request.method, request.target) == ("POST", "/hook?a=b")
    assert Webhook(SECRET).verify(request.body, request.headers)["type"] == "alert.created"
    assert json.loads(request.body)["timestamp"] == "2026-03-14T12:00:00Z"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer x"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 422, 301, 302, 307, 304])
def test_refusals_and_redirects_are_final(receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status, headers={"Location": receiver.url + "/elsewhere"}))

    with pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,))

    assert caught.value.permanent
    assert caught.value.status_code == status
    assert caught.value.gone is (status == 410)
    assert ("redirects are not followed" in str(caught.value)) is (status in (301, 302, 307))
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504])
def test_what_may_pass_is_worth_another_attempt(receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status))

    with pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,))

    assert not caught.value.permanent


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_success(receiver: HttpServer, status: int) -> None:
    receiver.script(Answer(status))

    assert webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,)).status_code == status


@pytest.mark.parametrize(("status", "honoured"), [(429, True), (503, True), (500, True), (408, False), (404, False)])
def test_retry_after_is_taken_from_throttling_answers_alone(receiver: HttpServer, status: int, honoured: bool) -> None:
    receiver.script(Answer(status, headers={"Retry-After": "7"}))

    with pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,))

    assert caught.value.retry_after == (timedelta(seconds=7) if honoured else None)


def test_a_connection_that_breaks_is_worth_another_attempt(receiver: HttpServer) -> None:
    receiver.script(Answer(reset=True))

    with pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,))

    assert not caught.value.permanent
    assert caught.value.status_code is None


def test_nobody_listening_is_worth_another_attempt(loopback: None) -> None:
    with closed_port() as port, pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(f"http://127.0.0.1:{port}"), secrets=(SECRET,))

    assert not caught.value.permanent


def test_loopback_is_refused_for_good_when_connected_to_unless_allowed() -> None:
    with HttpServer() as server, pytest.raises(ChannelError) as caught:
        webhook.send(MESSAGE, config=config(f"http://localhost:{server.port}"), secrets=(SECRET,))

    assert caught.value.permanent
    assert server.connections_made == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (" 5 ", 5),
        ("99999999999999999999", 3600),
        ("Sat, 14 Mar 2026 12:00:30 GMT", 30),
        ("Sat, 14 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 15 Mar 2026 12:00:00 GMT", 3600),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_clamped(text: str | None, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert parse_retry_after(text, now=NOW) == expected


@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_delivery(text: str) -> None:
    wait = parse_retry_after(text, now=NOW)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=1)


def test_secret_is_made_where_none_is_given() -> None:
    first, second = webhook.make_secret(""), webhook.make_secret("")

    assert first.startswith("whsec_") and first != second
    assert webhook.make_secret(first) == first


@pytest.mark.parametrize("secret", ["abc", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "whsec_" + "QUFB" * 30])
def test_weak_or_malformed_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigError):
        webhook.make_secret(secret)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        5,
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://example.com",
        "https://",
        "https://example.com:0/",
        "https://exam ple.com/",
        "https://example.com/\r\nX: y",
        "https://[::1",
        "https://a.example\ud800/",
        "http://127.0.0.1/x",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://192.168.1.4:8123/hook",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_url_that_cannot_be_called_is_refused(url: Any) -> None:
    assert problems_of({"url": url}) == {"config.url"}


def test_private_address_is_taken_where_allowed(loopback: None) -> None:
    assert webhook.validate({"url": "http://127.0.0.1:9/x"}) == {"url": "http://127.0.0.1:9/x", "headers": {}}


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS) + ["Webhook-Id", "CONTENT-TYPE", "a b", "a:b", ""])
def test_header_that_is_ours_or_malformed_is_refused(name: str) -> None:
    assert problems_of({"url": "https://example.com", "headers": {name: "x"}}) == {f"config.headers.{name}"}


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "", " a", "\u2028", 5, None, "***"])
def test_header_value_that_http_cannot_carry_is_refused(value: Any) -> None:
    assert problems_of({"url": "https://example.com", "headers": {"X-Token": value}}) == {"config.headers.X-Token"}


def test_unknown_setting_is_refused_by_name() -> None:
    assert problems_of({"url": "https://example.com", "verb": "PUT"}) == {"config.verb"}


def test_credentials_are_masked_and_a_masked_value_keeps_the_old_one() -> None:
    stored = webhook.validate({"url": "https://me:geheim@example.com/x", "headers": {"X-Token": "abc"}})

    shown = webhook.mask(stored)

    assert shown == {"url": "https://me:***@example.com/x", "headers": {"X-Token": "***"}}
    assert webhook.validate(shown, old=stored) == stored


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.example/x?token=geheim&y=1", "https://h.example/x?token=***&y=***"),
        ("https://h.example/x?geheim", "https://h.example/x?***"),
        ("https://h.example/x?token=#geheim", "https://h.example/x?token=***"),
        ("https://h.example/x?a=b=c&&d", "https://h.example/x?a=***&***"),
        ("https://h.example/x", "https://h.example/x"),
        ("https://h.example", "https://h.example"),
        ("https://hooks.example/services/T024BE7LH/B03/aXf9", "https://hooks.example/services/***/***/***"),
        ("https://d.example/api/v10/webhooks/1098/a-Z_9/", "https://d.example/api/v10/webhooks/***/***/"),
        ("https://t.example/bot12:AAEx/sendmessage?chat_id=1", "https://t.example/***/sendmessage?chat_id=***"),
        ("http://h.example:8123/api/webhook/-uD3", "http://h.example:8123/api/webhook/***"),
        ("https://h.example/hook1/kq7x2m9w4p", "https://h.example/hook1/***"),
        ("https://h.example/a%2Fb", "https://h.example/***"),
    ],
)
def test_what_may_be_a_token_in_path_or_query_is_masked_and_kept(url: str, shown: str) -> None:
    stored = webhook.validate({"url": url})

    assert webhook.mask(stored)["url"] == shown
    assert webhook.validate({"url": shown}, old=stored)["url"] == url


@pytest.mark.parametrize("url", ["https://h.example/new?token=***", "https://me:***@h.example/new"])
def test_masked_value_in_another_url_is_refused(url: str) -> None:
    old = {"url": "https://me:geheim@h.example/x?token=geheim", "headers": {}}

    with pytest.raises(ConfigError) as caught:
        webhook.validate({"url": url}, old=old)

    assert "enter the whole URL" in caught.value.problems["config.url"]


def test_user_name_that_stands_alone_is_taken_for_a_token() -> None:
    assert mask_credentials("https://token@example.com") == "https://***@example.com"


def test_documented_verification_works(receiver: HttpServer) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/webhooks.md").read_text()
    example: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], example)  # noqa: S102 - our own documentation
    webhook.send(MESSAGE, config=config(receiver.url), secrets=(SECRET,))
    [request] = receiver.requests

    assert example["verify"](SECRET, request.headers, request.body)
    assert not example["verify"](SECRET, request.headers, request.body + b" ")
