"""Every error under /api/ as one problem document (RFC 9457): any exception in, status, body and headers out.

drf-problems gives the register and the pages that explain each code; its handler is not used, because it overwrites
validation errors of fields named like a member of the document and shows the text of unforeseen exceptions.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import psycopg
import structlog
from django.conf import settings
from django.core import exceptions as django_exceptions
from django.db import DatabaseError as DjangoDatabaseError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from django.http.multipartparser import MultiPartParserError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from rest_framework import exceptions as rest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from siteadmin.core import exceptions as ours
from siteadmin.core.authentication import CHALLENGE
from siteadmin.core.problem_catalog import DOCUMENTED
from siteadmin.core.renderers import ProblemPageRenderer, ProblemRenderer
from siteadmin.core.throttling import spend

logger = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 30
"""What `Retry-After` says where the exception does not know better."""

_EXPLAINED = frozenset(problem.error_code for problem in DOCUMENTED)

_TAKEN_KEY = re.compile(r"Key \((.+?)\)=")

FieldErrors = list[dict[str, str]]


@dataclass(slots=True, frozen=True, kw_only=True)
class Problem:
    """What a problem document says, before it is bound to a request."""

    status: int
    code: str
    detail: str
    details: dict[str, Any] = field(default_factory=dict)
    errors: FieldErrors | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status phrase."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Error"

    @property
    def type(self) -> str:
        """The address of the page that explains the code, or `about:blank` where there is none."""
        return f"{settings.SITE_URL}/problems/{slug_of(self.code)}/" if self.code in _EXPLAINED else "about:blank"

    def body(self, request: HttpRequest | Request) -> dict[str, Any]:
        """The members of the document, in the order of the RFC, then ours."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": quote(request.path),
            "code": self.code,
            "request_id": getattr(request, "request_id", None),
            "details": self.details,
        }
        if self.errors is not None:
            members["errors"] = self.errors
        return members


def slug_of(code: str) -> str:
    """Give the code as it stands in the address of its page: `CAMERA_NOT_FOUND` is `camera-not-found`."""
    return code.lower().replace("_", "-")


# The errors of DRF and their codes where these differ from the status alone.
_REST_CODES: tuple[tuple[type[rest.APIException], str], ...] = (
    (rest.ParseError, "MALFORMED_REQUEST"),
    (rest.AuthenticationFailed, "AUTHENTICATION_REQUIRED"),
    (rest.NotAuthenticated, "AUTHENTICATION_REQUIRED"),
)
# Codes of answers that nobody raised, by status.
_STATUS_CODES = {
    400: "MALFORMED_REQUEST",
    401: "AUTHENTICATION_REQUIRED",
    403: "ACCESS_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    416: "RANGE_NOT_SATISFIABLE",
    422: "IDEMPOTENCY_KEY_REUSED",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "EXTERNAL_SERVICE_ERROR",
}
_STATUS_DETAILS = {
    400: "The request is malformed",
    401: "Missing or invalid API key",
    403: "You may not do this",
    404: "There is nothing at this address",
    405: "This method is not allowed here",
    500: ours.SecurityIntelligenceError.default_message,
}


def problem_of(error: BaseException) -> Problem:
    """Say what this exception means to a client; anything unforeseen is a 500 without its text."""
    match error:
        case ours.SecurityIntelligenceError():
            return _own_problem(error)
        case rest.ValidationError():
            return validation_problem(list(flatten(error.detail)))
        case rest.APIException():
            return _rest_problem(error)
        case django_exceptions.ValidationError():
            return validation_problem(list(flatten(rest_detail(error))))
        case Http404():
            return status_problem(404)
        case django_exceptions.RequestDataTooBig():
            return problem_of(ours.PayloadTooLargeError())
        case django_exceptions.PermissionDenied():
            return status_problem(403)
        case django_exceptions.DisallowedHost():
            return status_problem(400, detail="The Host header names a host that this site does not serve")
        case django_exceptions.SuspiciousOperation() | django_exceptions.BadRequest() | MultiPartParserError():
            return status_problem(400)
        case DjangoDatabaseError() | InterfaceError() | psycopg.Error():
            return _database_problem(error)
        case RedisError() | BrokerError():
            return problem_of(ours.CacheError())
    return status_problem(500)


def status_problem(status: int, *, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Problem:
    """Make a problem of which no more than the status is known."""
    code = _STATUS_CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    text = detail or _STATUS_DETAILS.get(status) or HTTPStatus(status).description or HTTPStatus(status).phrase
    return Problem(status=status, code=code, detail=text, headers=_headers(status, dict(headers or {})))


def validation_problem(errors: FieldErrors, *, code: str = "VALIDATION_ERROR") -> Problem:
    """Make a 400 that lists what is wrong with each field."""
    detail = _summary_of(errors, usual=ours.ValidationError.default_message)
    return Problem(status=400, code=code, detail=detail, errors=errors)


def _summary_of(errors: FieldErrors, *, usual: str) -> str:
    """Say in one line what is wrong: the one error, or the usual words and the names of the fields."""
    if len(errors) == 1:
        only = errors[0]
        return f"{only['field']}: {only['detail']}" if only["field"] else only["detail"]
    names = ", ".join(dict.fromkeys(error["field"] for error in errors if error["field"]))
    return f"{usual}: {names}" if names else usual


def flatten(detail: Any, path: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """Walk DRF's nested error details; `zones.0.coordinates` is a place within, `""` the whole body."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from flatten(inner, path if name in ("non_field_errors", "__all__") else (*path, str(name)))
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            # Texts belong to the place itself; further containers are the items of a list in the body.
            nested = isinstance(inner, (Mapping, list, tuple))
            yield from flatten(inner, (*path, str(index)) if nested else path)
    else:
        code = getattr(detail, "code", None) or "invalid"
        yield {"field": ".".join(path), "code": str(code), "detail": str(detail)}


def rest_detail(error: django_exceptions.ValidationError) -> Any:
    """Give a Django validation error the shape of DRF's details, codes kept."""
    if hasattr(error, "error_dict"):
        return {name: [_leaf(item) for item in items] for name, items in error.error_dict.items()}
    return [_leaf(item) for item in error.error_list]


def _leaf(error: django_exceptions.ValidationError) -> rest.ErrorDetail:
    return rest.ErrorDetail(str(error.messages[0]), code=error.code or "invalid")


def _own_problem(error: ours.SecurityIntelligenceError) -> Problem:
    errors = error.errors if isinstance(error, ours.ValidationError) else None
    detail = error.message
    if errors and detail == error.default_message:  # nobody found words for the whole
        detail = _summary_of(errors, usual=detail)
    return Problem(
        status=error.status_code,
        code=error.error_code,
        detail=detail,
        details=error.details,
        errors=errors or None,
        headers=_headers(error.status_code, {}, retry_after=getattr(error, "retry_after", None)),
    )


def _rest_problem(error: rest.APIException) -> Problem:
    status = error.status_code
    code = next((code for kind, code in _REST_CODES if isinstance(error, kind)), None)
    if code is None:
        own = error.get_codes()
        default = type(error).default_code
        # An instance's own code wins over what its status alone would say.
        code = own.upper() if isinstance(own, str) and own != default else _STATUS_CODES.get(status, default.upper())
    challenge = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": str(challenge)} if challenge else {}
    detail = str(error.detail) if isinstance(error.detail, str) else str(error.default_detail)
    if isinstance(error, rest.NotAuthenticated):
        detail = ours.AuthenticationError.default_message
    wait = getattr(error, "wait", None)
    return Problem(status=status, code=code, detail=detail, headers=_headers(status, headers, retry_after=wait))


def _database_problem(error: Exception) -> Problem:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    match error:
        case IntegrityError() | psycopg.IntegrityError() if isinstance(cause, psycopg.errors.UniqueViolation):
            fields = _fields_of(cause)
            return problem_of(ours.DuplicateResourceError(details={"fields": fields} if fields else None))
        case IntegrityError() | psycopg.IntegrityError() if isinstance(cause, psycopg.errors.ForeignKeyViolation):
            return problem_of(ours.ConflictError("What this refers to is gone, or something still refers to it"))
        case IntegrityError() | psycopg.IntegrityError():
            return problem_of(ours.ConflictError())
        case DataError() | psycopg.DataError():
            return problem_of(ours.InvalidInputError("A value does not fit where it is to be stored"))
        case OperationalError() | psycopg.OperationalError() if isinstance(cause, psycopg.errors.QueryCanceled):
            limit = settings.QUERY_TIMEOUT.total_seconds()
            return problem_of(ours.DatabaseError(f"This took longer than {limit:g} s", error_code="QUERY_TIMEOUT"))
        case OperationalError() | InterfaceError() | psycopg.OperationalError() | psycopg.InterfaceError():
            return problem_of(ours.DatabaseError())
    return status_problem(500)  # an SQL error of our own making


def _fields_of(violation: psycopg.errors.UniqueViolation) -> list[str]:
    """Name the columns whose values are taken, and nothing else of what the database says."""
    found = _TAKEN_KEY.search(violation.diag.message_detail or "")
    words = found[1].split(", ") if found else []
    return [word.removesuffix("_id") for word in words if word.isidentifier()]


def _headers(status: int, headers: dict[str, str], *, retry_after: float | None = None) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    if retry_after is not None or status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = RETRY_AFTER_SECONDS if retry_after is None else max(1, math.ceil(retry_after))
        headers.setdefault("Retry-After", str(seconds))
    return headers


def log_problem(problem: Problem, error: BaseException | None, *, path: str) -> None:
    """Leave the traceback of our own faults, and the cause of outside ones, in the log; clients see neither."""
    if problem.status < 500:
        return
    if isinstance(error, ours.ExternalServiceError) or problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        cause = getattr(error, "original_error", None) or error
        logger.warning("service_unavailable", code=problem.code, path=path, error=str(cause))
    else:
        logger.error("request_failed", code=problem.code, path=path, exc_info=error)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Answer for DRF: every exception that a view lets out becomes a problem document."""
    request: Request = context["request"]
    try:
        spend(request, context["view"])  # what was refused before it was counted
    except ours.RateLimitError as refusal:
        error = refusal
    problem = problem_of(error)
    log_problem(problem, error, path=request.path)
    set_rollback()
    # The view's own renderers may give pictures or CSV; an error has its own two forms.
    renderer = ProblemPageRenderer() if prefers_html(request) else ProblemRenderer()
    request.accepted_renderer = renderer
    request.accepted_media_type = renderer.media_type
    response = Response(problem.body(request), status=problem.status, headers=problem.headers)
    response.is_problem = True  # type: ignore[attr-defined]  # the middleware's mark that nothing is left to do
    return response


def prefers_html(request: HttpRequest | Request) -> bool:
    """Tell whether the client would rather have a page than JSON."""
    try:
        wanted = request.GET.get("format")
    except django_exceptions.SuspiciousOperation:  # too many parameters: every look at them fails
        wanted = None
    if wanted in ("json", "api"):
        return wanted == "api"
    http_request = request._request if isinstance(request, Request) else request
    offered = ["application/json", ProblemRenderer.media_type, ProblemPageRenderer.media_type]
    return http_request.get_preferred_type(offered) == ProblemPageRenderer.media_type
