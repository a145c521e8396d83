"""The request's id, and whom to believe about the client's address."""

import ipaddress
from typing import Any

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client

from siteadmin.core.middleware import RequestIdMiddleware, TrustedProxyMiddleware

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]


def pass_on(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize("sent", ["abc-123", "A.b_c:9", "x" * 64])
def test_a_sane_request_id_is_kept(rf: Any, sent: str) -> None:
    assert RequestIdMiddleware(pass_on)(rf.get("/", headers={"x-request-id": sent}))["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\nb", "<b>", "é", "a\n"])
def test_any_other_request_id_is_replaced(rf: Any, sent: str) -> None:
    given = RequestIdMiddleware(pass_on)(rf.get("/", headers={"x-request-id": sent}))["X-Request-ID"]

    assert given != sent
    assert len(given) == 32


def test_log_lines_of_the_request_carry_its_id_and_later_ones_do_not(rf: Any) -> None:
    seen: list[dict[str, Any]] = []

    def look(request: HttpRequest) -> HttpResponse:
        seen.append(structlog.contextvars.get_contextvars())
        return HttpResponse()

    RequestIdMiddleware(look)(rf.get("/", headers={"x-request-id": "abc"}))

    assert seen == [{"request_id": "abc"}]
    assert structlog.contextvars.get_contextvars() == {}


def after(rf: Any, *, remote: str, **headers: str) -> HttpRequest:
    request: HttpRequest = rf.get("/", REMOTE_ADDR=remote, headers=headers)
    TrustedProxyMiddleware(pass_on)(request)
    return request


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:4860::7", "2001:4860::7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7, nonsense", "10.0.0.1"),
        ("192.0.2.1", "192.0.2.7", "192.0.2.1"),
        ("", "192.0.2.7", ""),
    ],
)
def test_the_clients_address_is_taken_from_trusted_proxies_alone(
    rf: Any, settings: Any, remote: str, forwarded: str, client: str
) -> None:
    settings.TRUSTED_PROXIES = PROXIES

    request = after(rf, remote=remote, **{"x-forwarded-for": forwarded})

    assert request.META["REMOTE_ADDR"] == client


def test_a_trusted_proxy_says_whether_the_client_came_by_https(rf: Any, settings: Any) -> None:
    settings.TRUSTED_PROXIES = PROXIES
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    assert after(rf, remote="10.0.0.1", **{"x-forwarded-proto": "https"}).is_secure() is True
    assert after(rf, remote="10.0.0.1", **{"x-forwarded-proto": "https, http"}).is_secure() is False


def test_a_strangers_claims_are_dropped(rf: Any, settings: Any) -> None:
    settings.TRUSTED_PROXIES = PROXIES
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    request = after(rf, remote="192.0.2.1", **{"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"})

    assert request.is_secure() is False
    assert "HTTP_X_FORWARDED_HOST" not in request.META


@pytest.mark.django_db
@pytest.mark.usefixtures("small_api")
def test_every_answer_carries_the_id() -> None:
    assert Client().get("/api/letters", headers={"x-request-id": "abc"})["X-Request-ID"] == "abc"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "accept", "is_page"),
    [
        ("/admin/login/", "text/html", True),
        ("/api/nothing", "text/html", True),
        ("/nothing", "text/html", True),
        ("/api/nothing", "application/json", False),
        ("/health/live", "*/*", False),
    ],
)
def test_pages_and_nothing_else_carry_the_policy_that_keeps_other_sites_out(
    path: str, accept: str, is_page: bool
) -> None:
    answer = Client().get(path, headers={"accept": accept})

    policy = answer.get("Content-Security-Policy", "")
    assert ("default-src 'self'" in policy) is is_page
    assert "http" not in policy
