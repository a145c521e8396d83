"""The outbound client against a receiver on loopback: real sockets, real bytes."""

import base64
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from siteadmin.core import http
from siteadmin.core.http import OutboundError, OutboundErrorKind, mask_url, request
from tests.fakes.http_server import Answer, HttpServer, closed_port
from tests.waiting import wait_until

SOON = timedelta(seconds=5)
BRIEF = timedelta(milliseconds=300)


@pytest.fixture(autouse=True)
def fresh_connections():
    yield
    http.close_connections()


def call(url, **kwargs):
    return request(
        kwargs.pop("method", "GET"),
        url,
        **{"timeout": SOON, "max_bytes": 100_000, "trusted": True, **kwargs},
    )


def refusal(url, **kwargs) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        call(url, **kwargs)
    return caught.value


def test_gives_status_headers_and_body():
    with HttpServer(Answer(404, b"gone", {"X-Why": "because"})) as server:
        response = call(f"{server.url}/a/b?c=d%20e")

    assert (response.status, response.headers["x-why"], response.body) == (404, "because", b"gone")
    assert server.requests[0].target == "/a/b?c=d%20e"


def test_sends_exactly_the_bytes_and_headers_given():
    body = b'{"a": "\xc3\xa9"}\x00'
    with HttpServer() as server:
        call(server.url, method="POST", content=body, headers={"webhook-id": "msg_1", "Content-Type": "text/x"})

    received = server.requests[0]
    assert received.body == body
    assert received.headers["webhook-id"] == "msg_1"
    assert received.headers["content-type"] == "text/x"
    assert received.headers["host"] == f"127.0.0.1:{server.port}"
    assert received.headers["content-length"] == str(len(body))


def test_follows_no_redirect():
    with HttpServer(Answer(302, headers={"Location": "/elsewhere"})) as server:
        response = call(server.url)

    assert response.status == 302
    assert len(server.requests) == 1


def test_keeps_no_cookie():
    with HttpServer(Answer(headers={"Set-Cookie": "a=b"})) as server:
        call(server.url)
        call(server.url)

    assert "cookie" not in server.requests[1].headers


def test_takes_no_proxy_from_the_environment(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with HttpServer() as server:
        assert call(server.url).status == 200


def test_reuses_a_connection():
    with HttpServer() as server:
        call(server.url)
        call(server.url)

    assert [received.connection for received in server.requests] == [1, 1]


def test_opens_a_new_connection_where_the_server_closed_the_old_one():
    with HttpServer(Answer(close=True), Answer(body=b"second")) as server:
        call(server.url)
        wait_until(lambda: server.open_connections == 0)
        assert call(server.url).body == b"second"


def test_an_untrusted_request_never_borrows_a_trusted_connection():
    with HttpServer() as server:
        call(server.url)
        error = refusal(server.url, trusted=False)

    assert error.kind is OutboundErrorKind.REFUSED
    assert len(server.requests) == 1


def test_loopback_is_reached_where_the_setting_allows_it(settings):
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with HttpServer() as server:
        assert call(server.url, trusted=False).status == 200


def test_metadata_is_refused_to_a_trusted_request_too():
    assert refusal("http://169.254.169.254/latest/meta-data").kind is OutboundErrorKind.REFUSED


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "http:///path",
        "example.com",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com:99999/",
        "http://[::1",
        "",
    ],
)
def test_urls_that_are_no_plain_http_are_refused(url):
    assert refusal(url).kind is OutboundErrorKind.REFUSED


@pytest.mark.parametrize("headers", [{"Host": "other"}, {"content-length": "1"}, {"X": "a\r\nY: b"}, {"X": "\u2028"}])
def test_headers_that_would_change_the_message_are_refused(headers):
    with HttpServer() as server:
        error = refusal(server.url, headers=headers)

    assert error.kind is OutboundErrorKind.REFUSED
    assert server.requests == []


def test_credentials_in_the_url_travel_as_basic():
    with HttpServer() as server:
        call(f"http://us%40er:p%3Ass@127.0.0.1:{server.port}/x")

    received = server.requests[0]
    assert received.headers["authorization"] == "Basic " + base64.b64encode(b"us@er:p:ss").decode()
    assert received.target == "/x"


def test_no_message_shows_credentials_path_or_query():
    with closed_port() as port:
        error = refusal(f"http://user:secret1@127.0.0.1:{port}/secret2?token=secret3")

    assert error.kind is OutboundErrorKind.CONNECT
    assert "secret" not in str(error)
    assert f"127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@host.example:8443/a/b?c=d#e", "https://host.example:8443/***"),
        ("http://host.example", "http://host.example/"),
        ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80/***"),
        ("http://host:port/", "***"),
        ("nonsense", "***"),
    ],
)
def test_mask_url_keeps_scheme_host_and_port_alone(url, shown):
    assert mask_url(url) == shown


def test_an_unknown_name_is_a_dns_error():
    assert refusal("http://no-such-name.invalid/").kind is OutboundErrorKind.DNS


@pytest.mark.parametrize(
    "answer",
    [
        Answer(hang=True),
        Answer(delay=5),
        Answer(drip=0.05, body=b"x" * 1000),
        Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 500, drip=0.005),
    ],
    ids=["silent", "late", "byte by byte", "endless interim answers"],
)
def test_the_deadline_holds_over_the_whole_exchange(answer):
    with HttpServer(answer) as server:
        began = time.monotonic()
        error = refusal(server.url, timeout=BRIEF)

    assert error.kind is OutboundErrorKind.TIMEOUT
    assert time.monotonic() - began < 1.5


def test_the_deadline_holds_while_sending():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        error = refusal(
            f"http://127.0.0.1:{deaf.getsockname()[1]}/", method="POST", content=b"x" * 30_000_000, timeout=BRIEF
        )

    assert error.kind is OutboundErrorKind.TIMEOUT


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * 2000),
        Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"x" * 1000 + b"\r\n" * 2),
    ],
    ids=["with length", "without length", "chunked"],
)
def test_an_answer_over_the_cap_is_cut_off(answer):
    with HttpServer(answer) as server:
        error = refusal(server.url, max_bytes=999)

    assert error.kind is OutboundErrorKind.TOO_LARGE
    assert "999 bytes" in str(error)


def test_an_answer_of_exactly_the_cap_passes():
    with HttpServer(Answer(body=b"x" * 999)) as server:
        assert len(call(server.url, max_bytes=999).body) == 999


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(reset=True), OutboundErrorKind.CONNECT),
        (Answer(raw=b"SSH-2.0-OpenSSH\r\n\r\n"), OutboundErrorKind.PROTOCOL),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), OutboundErrorKind.PROTOCOL),
        (Answer(raw=b""), OutboundErrorKind.PROTOCOL),
    ],
    ids=["reset", "not http", "cut short", "closed"],
)
def test_a_broken_answer_has_its_kind(answer, kind):
    with HttpServer(answer) as server:
        assert refusal(server.url).kind is kind


@pytest.fixture
def tls_server(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HttpServer(tls=context) as server:
        yield server, certificate


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server):
    server, _ = tls_server

    error = refusal(f"https://localhost:{server.port}/")

    assert error.kind is OutboundErrorKind.TLS
    assert "certificate" in str(error)
    assert server.requests == []


def test_a_trusted_certificate_is_accepted(tls_server, monkeypatch):
    server, certificate = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert call(f"https://localhost:{server.port}/").status == 200


def test_a_certificate_for_another_name_is_refused(tls_server, monkeypatch):
    server, certificate = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert refusal(f"https://127.0.0.1:{server.port}/").kind is OutboundErrorKind.TLS


def test_threads_get_their_own_answers():
    with HttpServer() as server, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: call(f"{server.url}/{n}", method="POST", content=str(n).encode()), range(64)))

    assert sorted(received.target for received in server.requests) == sorted(f"/{n}" for n in range(64))
    assert all(received.target == f"/{received.body.decode()}" for received in server.requests)


def test_a_slow_target_does_not_hold_up_another():
    with HttpServer(default=Answer(delay=3)) as slow, HttpServer() as quick, ThreadPoolExecutor(40) as threads:
        for _ in range(30):
            threads.submit(lambda: pytest.raises(OutboundError, call, slow.url, timeout=timedelta(seconds=1)))
        slow.wait_for(10)
        began = time.monotonic()
        call(quick.url)
        assert time.monotonic() - began < 0.9


FORKING = """
import os, sys
from datetime import timedelta
from django.conf import settings
settings.configure(OUTBOUND_ALLOWED_NETWORKS=[])
from siteadmin.core.http import request

def call():
    return request("GET", sys.argv[1], timeout=timedelta(seconds=5), max_bytes=10, trusted=True).status

call()
child = os.fork()
if child == 0:
    os._exit(0 if call() == 200 else 1)
sys.exit(os.waitpid(child, 0)[1] or call() != 200)
"""


def test_a_forked_child_opens_connections_of_its_own():
    with HttpServer() as server:
        subprocess.run([sys.executable, "-c", FORKING, server.url], check=True, timeout=30)

    assert [received.connection for received in server.requests] == [1, 2, 1]


def test_thread_without_an_exchange_has_no_time_left():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(http._deadline.at))
    thread.start()
    thread.join()

    assert seen == [0.0]
