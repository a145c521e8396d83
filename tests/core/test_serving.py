"""The server in front of Django: bodies, endless answers, and clients that behave oddly."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from siteadmin.core import serving as core_serving
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from siteadmin.core.stream import hub_of
from siteadmin.stream_api import describe
from tests.cameras.pictures import make_picture
from tests.factories import CameraFactory
from tests.serving import serving
from tests.waiting import wait_until

Connect = Callable[[int], http.client.HTTPConnection]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Give a function that opens connections, which are closed after the test."""
    with ExitStack() as opened:

        def open_one(port: int) -> http.client.HTTPConnection:
            return opened.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)))

        yield open_one


@pytest.fixture
def key() -> str:
    CameraFactory(id="gate")
    return create_api_key(name="camera", role=Role.UPLOADER)[1]


def test_a_picture_in_chunks_needs_no_length(connect: Connect, port: int, key: str) -> None:
    connection = connect(port)
    picture = make_picture(1)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
    connection.request(
        "POST", "/api/cameras/gate/snapshots", iter([picture[:1000], picture[1000:]]), headers, encode_chunked=True
    )
    answer = connection.getresponse()

    assert answer.status == 202
    assert json.loads(answer.read())["size"] == len(picture)


@pytest.mark.parametrize("with_length", [True, False], ids=["says so", "does not say"])
def test_a_body_over_every_limit_is_a_413_problem(
    connect: Connect, port: int, key: str, monkeypatch: pytest.MonkeyPatch, *, with_length: bool
) -> None:
    monkeypatch.setattr(core_serving, "body_limit", lambda: 2000)
    connection = connect(port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
    if with_length:
        connection.request("POST", "/api/cameras/gate/snapshots", b"x" * 3000, headers)
    else:
        body = iter([b"x" * 3000])
        connection.request("POST", "/api/cameras/gate/snapshots", body, headers, encode_chunked=True)
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_the_probes_take_no_other_method(connect: Connect, port: int) -> None:
    connection = connect(port)
    connection.request("POST", "/health/ready", b"", {})
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_slow_clients_hold_up_nobody(connect: Connect, port: int, key: str) -> None:
    slow = []
    for _ in range(core_serving.THREADS * 2):
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.sendall(
            b"POST /api/cameras/gate/snapshots HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            b"Authorization: Bearer " + key.encode() + b"\r\nContent-Type: image/jpeg\r\n\r\n" + b"x" * 100
        )
        slow.append(client)
    quick = connect(port)
    quick.request("GET", "/health/live")

    assert quick.getresponse().status == 200
    for client in slow:
        client.close()


def test_a_client_that_stops_sending_is_given_up(port: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_serving, "BODY_SILENCE_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST /api/cameras/gate/snapshots HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")

        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_head_has_the_headers_of_get_and_no_body(connect: Connect, port: int) -> None:
    connection = connect(port)
    connection.request("HEAD", "/health/live")
    answer = connection.getresponse()

    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_a_name_that_is_no_utf_8_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /api/cameras/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

        assert client.recv(1000).split(b" ")[1] in (b"400", b"401", b"404")


def test_a_stream_that_nobody_hears_any_more_is_ended(port: int) -> None:
    _, key = create_api_key(name="listener", role=Role.VIEWER)
    hub = hub_of(describe)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(
            b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key.encode() + b"\r\n\r\n"
        )
        wait_until(lambda: hub.audience == 1)

    wait_until(lambda: hub.audience == 0)
