"""What wraps every request: its id, the client's real address, and the last net under errors of the API."""

import ipaddress
import re
import time
import uuid
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from siteadmin.core import metrics
from siteadmin.core.error_views import answer, is_api, problem_response
from siteadmin.core.problems import status_problem

logger = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

SANE_REQUEST_ID = re.compile(r"\A[A-Za-z0-9._:-]{1,64}\Z")
FORWARDED_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        # The admin's look (Alpine) and Swagger's page hold scripts of their own.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# Headers of a bare error answer that its problem document keeps.
KEPT_HEADERS = ("Allow", "Content-Range", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "Vary")


class RequestIdMiddleware:
    """Give each request an id, the client's own where it is sane; logs, problems and answers carry it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Bind the id to everything that is logged for this request."""
        sent = request.headers.get("X-Request-ID", "")
        request_id = sent if SANE_REQUEST_ID.match(sent) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]  # Django's way to hang things on a request
        structlog.contextvars.clear_contextvars()
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            seconds = time.monotonic() - started
            log_request(request, response, seconds=seconds)
            count_request(request, response, seconds=seconds)
        response["X-Request-ID"] = request_id
        return response


def count_request(request: HttpRequest, response: HttpResponseBase, *, seconds: float) -> None:
    """Count the request by its route, of which there are as many as the site has, whatever strangers ask for."""
    match = request.resolver_match
    route = match.route if match is not None else "none"
    method = request.method if request.method in METHODS else "other"
    requests, latency = _counters(method, route, response.status_code)
    requests.inc()
    latency.observe(seconds)


@cache
def _counters(method: str, route: str, status: int) -> tuple[Any, Any]:
    """Give the counters of these labels; looking them up takes longer than counting."""
    return metrics.REQUESTS.labels(method, route, str(status)), metrics.REQUEST_LATENCY.labels(method, route)


def log_request(request: HttpRequest, response: HttpResponseBase, *, seconds: float) -> None:
    """Leave a line of the request, as LOG_REQUESTS says: of all, of errors, or of none."""
    wanted = settings.LOG_REQUESTS
    if wanted == "none" or (wanted == "errors" and response.status_code < HTTPStatus.BAD_REQUEST):
        return
    match = request.resolver_match
    is_secret = match is not None and "token" in match.kwargs  # whoever has such an address may act by it
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):  # nobody is looked up for the sake of a line
        user = getattr(request, "_cached_user", None)
    logger.info(
        "request",
        method=request.method,
        path=match.route if match is not None and is_secret else request.path,
        status=response.status_code,
        duration_ms=round(seconds * 1000, 1),
        client=request.META.get("REMOTE_ADDR", ""),
        user="" if user is None else user.get_username(),
    )


class ContentPolicyMiddleware:
    """Tell browsers that pages load, send and are framed nothing from or to another site, whatever stands in them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Put the policy on pages; what programs read needs none."""
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Content-Security-Policy", CONTENT_POLICY)
        return response


class TrustedProxyMiddleware:
    """Believe X-Forwarded-For and -Proto from the proxies in TRUSTED_PROXIES, and from nobody else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Put the client's address where Django looks for it, and drop what a stranger claims."""
        if _is_trusted(request.META.get("REMOTE_ADDR", "")):
            _take_forwarded(request)
        else:
            for name in FORWARDED_HEADERS:
                request.META.pop(name, None)
        return self.get_response(request)


def _take_forwarded(request: HttpRequest) -> None:
    # Each proxy appends; the last address that is none of ours is the client's, all before it is hearsay.
    for address in reversed(_words(request.META.get("HTTP_X_FORWARDED_FOR", ""))):
        if _address(address) is None:
            break
        request.META["REMOTE_ADDR"] = address
        if not _is_trusted(address):
            break
    schemes = _words(request.META.get("HTTP_X_FORWARDED_PROTO", ""))
    if schemes:
        request.META["HTTP_X_FORWARDED_PROTO"] = schemes[-1].lower()


def _words(header: str) -> list[str]:
    return [word.strip() for word in header.split(",") if word.strip()]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_trusted(text: str) -> bool:
    address = _address(text)
    return address is not None and any(
        address in network for network in settings.TRUSTED_PROXIES if network.version == address.version
    )


class ApiErrorMiddleware:
    """The net under the API: whatever error leaves without a problem document gets one here.

    DRF's views answer by their own handler, Django's errors by the handlers of `siteadmin.urls`; left are plain
    views that raise or answer an error by hand, and the technical pages of DEBUG.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Replace the body of a bare error; its headers that mean something stay."""
        response = self.get_response(request)
        if not is_api(request) or response.status_code < HTTPStatus.BAD_REQUEST or hasattr(response, "is_problem"):
            return response
        kept = {name: response[name] for name in KEPT_HEADERS if name in response}
        problem = problem_response(request, status_problem(response.status_code, headers=kept))
        problem.cookies = response.cookies
        response.close()
        return problem

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer what a plain view under the API raised."""
        return answer(request, error, status=HTTPStatus.INTERNAL_SERVER_ERROR) if is_api(request) else None
