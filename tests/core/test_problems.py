"""Every error under /api/ is one problem document."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import psycopg
import pytest
import redis
from django.core import exceptions as django_exceptions
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError
from django.http import Http404
from django.test import Client
from drf_problems import PROBLEM_EXCEPTION_MAP
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions as rest
from rest_framework.test import APIClient

from siteadmin.core import exceptions as ours
from siteadmin.core.problem_catalog import DOCUMENTED
from siteadmin.core.problems import Problem, flatten, problem_of
from tests.core.rest import RaisingView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]

MEMBERS = ["type", "title", "status", "detail", "instance", "code", "request_id", "details"]
SECRET = "/srv/secret SELECT password hunter2"  # noqa: S105 - stands for what must not be shown


@pytest.fixture
def client(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


@pytest.fixture(autouse=True)
def forget_error() -> Iterator[None]:
    yield
    RaisingView.error = RuntimeError("not set")


def raised(client: APIClient, error: BaseException, *, path: str = "/api/raising", **headers: str) -> Any:
    RaisingView.error = error
    return client.get(path, headers=headers)


def unique_violation() -> IntegrityError:
    error = IntegrityError(SECRET)
    error.__cause__ = psycopg.errors.UniqueViolation(SECRET)
    return error


CASES: list[tuple[BaseException, int, str]] = [
    (ours.EventNotFoundError(5), 404, "EVENT_NOT_FOUND"),
    (ours.ValidationError(), 400, "VALIDATION_ERROR"),
    (ours.InvalidStateTransitionError(), 409, "INVALID_STATE_TRANSITION"),
    (ours.RateLimitError(), 429, "RATE_LIMITED"),
    (ours.DetectorUnavailableError(), 503, "DETECTOR_UNAVAILABLE"),
    (ours.AuthenticationError(), 401, "AUTHENTICATION_REQUIRED"),
    (ours.SecurityIntelligenceError("Tea", error_code="TEAPOT", status_code=418), 418, "TEAPOT"),
    (rest.ParseError(), 400, "MALFORMED_REQUEST"),
    (rest.NotFound(), 404, "NOT_FOUND"),
    (rest.PermissionDenied(), 403, "ACCESS_DENIED"),
    (rest.PermissionDenied(code="csrf_failed"), 403, "CSRF_FAILED"),
    (rest.Throttled(wait=3), 429, "RATE_LIMITED"),
    (rest.ValidationError({"title": ["No."]}), 400, "VALIDATION_ERROR"),
    (django_exceptions.ValidationError("No."), 400, "VALIDATION_ERROR"),
    (Http404(SECRET), 404, "NOT_FOUND"),
    (django_exceptions.PermissionDenied(SECRET), 403, "ACCESS_DENIED"),
    (django_exceptions.SuspiciousOperation(SECRET), 400, "MALFORMED_REQUEST"),
    (django_exceptions.RequestDataTooBig(SECRET), 413, "PAYLOAD_TOO_LARGE"),
    (OperationalError(SECRET), 503, "DATABASE_ERROR"),
    (unique_violation(), 409, "DUPLICATE_RESOURCE"),
    (IntegrityError(SECRET), 409, "CONFLICT"),
    (DataError(SECRET), 400, "INVALID_INPUT"),
    (ProgrammingError(SECRET), 500, "INTERNAL_ERROR"),
    (redis.ConnectionError(SECRET), 503, "CACHE_ERROR"),
    (RuntimeError(SECRET), 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize("path", ["/api/raising", "/api/plain-raising"])
@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda value: str(getattr(value, "args", value)))
def test_every_exception_becomes_a_whole_problem_document(
    client: APIClient, error: BaseException, status: int, code: str, path: str
) -> None:
    response = raised(client, error, path=path)

    body = response.json()
    assert response.status_code == body["status"] == status
    assert response["Content-Type"] == "application/problem+json"
    assert list(body)[: len(MEMBERS)] == MEMBERS
    assert body["code"] == code
    assert body["title"] == HTTPStatus(status).phrase
    assert body["instance"] == path
    assert body["request_id"] == response["X-Request-ID"]
    assert "secret" not in response.content.decode() and "hunter2" not in response.content.decode()


@pytest.mark.parametrize("debug", [False, True])
def test_an_unforeseen_error_shows_nothing_of_itself_even_with_debug(
    client: APIClient, settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug

    response = raised(client, RuntimeError(SECRET), accept="text/html")

    assert response.status_code == 500
    assert "Traceback" not in response.content.decode() and "hunter2" not in response.content.decode()


def test_validation_errors_name_each_place_in_nested_input(client: APIClient) -> None:
    letter = {"queue": "q", "task": "", "subject": "s", "points": [{"x": 0, "y": 0}, {"x": 2, "y": 0, "z": 1}]}

    response = client.post("/api/letters", letter, format="json")

    places = {(error["field"], error["code"]) for error in response.json()["errors"]}
    assert response.status_code == 400
    assert places == {("task", "blank"), ("points.1.x", "max_value"), ("points.1.z", "unknown_field")}


@pytest.mark.parametrize(
    ("errors", "detail"),
    [
        ([("zone_ids.0", "There is no zone 5")], "zone_ids.0: There is no zone 5"),
        ([("zone_ids.0", "No"), ("name", "No")], "The request is not valid: zone_ids.0, name"),
    ],
)
def test_what_is_wrong_stands_in_one_line_where_the_service_has_no_words_for_the_whole(
    client: APIClient, errors: list[tuple[str, str]], detail: str
) -> None:
    named = [{"field": field, "code": "invalid", "detail": text} for field, text in errors]

    assert raised(client, ours.ValidationError(errors=named)).json()["detail"] == detail
    assert raised(client, ours.ValidationError("Words", errors=named)).json()["detail"] == "Words"


def test_an_error_of_the_whole_body_has_an_empty_field(client: APIClient) -> None:
    response = client.post("/api/letters", [1], format="json")

    assert response.json()["errors"][0]["field"] == ""


def test_fields_named_like_members_of_the_document_do_not_overwrite_them(client: APIClient) -> None:
    response = raised(client, rest.ValidationError({"status": ["Bad."], "type": ["Worse."]}))

    assert response.json()["status"] == 400
    assert [error["field"] for error in response.json()["errors"]] == ["status", "type"]


NAMES = st.text(alphabet="abcdefg_", min_size=1, max_size=6).filter(lambda name: name != "non_field_errors")
LEAVES = st.lists(st.text(max_size=5).map(rest.ErrorDetail), min_size=1, max_size=3)


def count_leaves(detail: Any) -> int:
    if isinstance(detail, dict):
        return sum(map(count_leaves, detail.values()))
    return sum(map(count_leaves, detail)) if isinstance(detail, list) else 1


@given(
    st.recursive(
        LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=12
    )
)
def test_flattening_loses_no_error(detail: Any) -> None:
    assert len(list(flatten(detail))) == count_leaves(detail)


def test_details_carry_what_the_exception_knows(client: APIClient) -> None:
    body = raised(client, ours.CameraNotFoundError("front_door")).json()

    assert body["details"] == {"camera_id": "front_door"}
    assert body["detail"] == "Camera with id 'front_door' not found"


def test_the_type_is_the_address_of_the_page_where_the_code_is_known(client: APIClient) -> None:
    known = raised(client, ours.CameraNotFoundError(1)).json()["type"]
    unknown = raised(client, ours.ConflictError(error_code="NEVER_HEARD_OF")).json()["type"]

    assert known.endswith("/problems/camera-not-found/")
    assert unknown == "about:blank"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ours.RateLimitError(retry_after=1.2), "2"),
        (ours.CircuitBreakerOpenError(retry_after=9), "9"),
        (ours.CircuitBreakerOpenError(), "30"),
        (rest.Throttled(wait=3), "3"),
        (OperationalError(SECRET), "30"),
        (ours.DetectorUnavailableError(), "30"),
    ],
)
def test_limits_and_what_is_down_say_when_to_come_back(client: APIClient, error: Exception, expected: str) -> None:
    assert raised(client, error)["Retry-After"] == expected


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_an_unknown_path_is_a_404_problem_whoever_asks(method: str) -> None:
    response = getattr(APIClient(), method)("/api/nothing/here")

    assert response.status_code == 404
    assert response.json()["code"] == "NOT_FOUND"
    assert response.json()["instance"] == "/api/nothing/here"


def test_a_method_that_is_not_offered_is_a_405_problem_with_allow(client: APIClient) -> None:
    response = client.put("/api/letters/1", {}, format="json")

    assert response.status_code == 405
    assert response.json()["code"] == "METHOD_NOT_ALLOWED"
    assert set(response["Allow"].split(", ")) == {"GET", "PATCH", "DELETE", "HEAD", "OPTIONS"}


def test_a_bare_error_of_a_plain_view_becomes_a_problem_and_keeps_allow(client: APIClient) -> None:
    response = client.get("/api/plain-error")

    assert response.json()["code"] == "METHOD_NOT_ALLOWED"
    assert response["Allow"] == "POST"


def test_an_unwanted_form_of_the_answer_is_a_406_problem(client: APIClient) -> None:
    response = client.get("/api/letters", headers={"accept": "image/png"})

    assert response.status_code == 406
    assert response["Content-Type"] == "application/problem+json"


def test_an_unknown_format_is_a_400_that_names_the_known_ones(client: APIClient) -> None:
    response = client.get("/api/letters?format=xml")

    assert response.status_code == 400
    assert "json" in response.json()["detail"]


def test_an_unknown_type_of_body_is_a_415_problem(client: APIClient) -> None:
    response = client.post("/api/letters", b"x", content_type="text/x-nothing")

    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_a_host_that_is_not_ours_is_a_400_problem(client: APIClient) -> None:
    response = client.get("/api/letters", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert response.json()["code"] == "MALFORMED_REQUEST"
    assert "evil" not in response.content.decode()


def test_too_many_parameters_are_a_400_problem(client: APIClient) -> None:
    response = client.get("/api/letters?" + "&".join(f"p{n}=1" for n in range(1100)))

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_failing_middleware_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError(SECRET)

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", fail)

    response = APIClient(raise_request_exception=False).get("/api/letters")

    assert response.status_code == 503
    assert response.json()["code"] == "DATABASE_ERROR"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/nothing", 404), ("/api/raising", 500), ("/api/plain-error", 405), ("/api/letters/999", 404)],
)
def test_who_prefers_html_gets_a_page_with_the_problem_inside(client: APIClient, path: str, status: int) -> None:
    response = client.get(path, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert response.status_code == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert f"&quot;status&quot;: {status}" in response.content.decode()


def test_a_browser_that_is_not_logged_in_gets_a_401_page_with_the_way_in() -> None:
    response = APIClient().get("/api/letters", headers={"accept": "text/html"})

    assert response.status_code == 401
    assert "/admin/login/?next=/api/letters" in response.content.decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
        ("text/html;q=0.5, application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("image/*", "application/problem+json"),
        ("", "application/problem+json"),
    ],
)
def test_accept_is_weighed_by_quality(client: APIClient, accept: str, content_type: str) -> None:
    assert client.get("/api/letters/999", headers={"accept": accept})["Content-Type"] == content_type


def test_user_text_in_the_page_is_escaped(client: APIClient) -> None:
    response = raised(client, ours.ConflictError("<script>alert(1)</script>"), accept="text/html")

    assert "<script>" not in response.content.decode()


def test_errors_outside_the_api_stay_pages(settings: Any) -> None:
    response = Client().get("/nothing-here")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def tree(kind: type[ours.SecurityIntelligenceError]) -> Iterator[type[ours.SecurityIntelligenceError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == ours.__name__:
            yield from tree(child)


def test_every_exception_of_the_tree_is_documented_under_its_code() -> None:
    documented = {problem.error_code: problem for problem in DOCUMENTED}

    for kind in tree(ours.SecurityIntelligenceError):
        assert documented[kind.default_error_code].status_code == kind.default_status_code
    assert {problem.code for problem in DOCUMENTED} <= set(PROBLEM_EXCEPTION_MAP)


def test_every_code_that_the_mapping_can_give_is_documented() -> None:
    documented = {problem.error_code for problem in DOCUMENTED}

    assert {problem_of(error).code for error, _, code in CASES if code != "TEAPOT"} <= documented
    assert {Problem(status=status, code="", detail="").title for status in (405, 413)} <= {p.title for p in DOCUMENTED}


@pytest.mark.parametrize("code", ["camera-not-found", "CAMERA_NOT_FOUND"])
def test_a_problem_page_is_public_and_speaks_json(code: str) -> None:
    response = APIClient().get(f"/problems/{code}/")

    assert response.status_code == 200
    assert response.json()["code"] == "CAMERA_NOT_FOUND"
    assert response.json()["status"] == 404
    assert all(response.json()[name] for name in ("description", "cause", "cure"))


@pytest.mark.parametrize("problem", DOCUMENTED, ids=lambda problem: problem.code)
def test_every_problem_has_a_page(problem: Any) -> None:
    response = APIClient().get(f"/problems/{problem.code}/", headers={"accept": "text/html"})

    assert response.status_code == 200
    assert problem.error_code in response.content.decode()


def test_the_list_of_problems_links_each_page() -> None:
    page = APIClient().get("/problems/", headers={"accept": "text/html"}).content.decode()

    assert all(f'href="/problems/{problem.code}/"' in page for problem in DOCUMENTED)


def test_an_unknown_problem_has_no_page() -> None:
    assert APIClient().get("/problems/never-heard-of/").status_code == 404


def test_the_browsable_page_of_a_resource_shows_the_rows(client: APIClient) -> None:
    client.post("/api/letters", {"queue": "q", "task": "t", "subject": "a sight"}, format="json")

    response = client.get("/api/letters", headers={"accept": "text/html"})

    assert response.status_code == 200
    assert "a sight" in response.content.decode()


def test_a_refused_form_in_the_browsable_page_keeps_status_and_problem(client: APIClient) -> None:
    response = client.post("/api/letters", {"queue": ""}, format="multipart", headers={"accept": "text/html"})

    assert response.status_code == 400
    assert "VALIDATION_ERROR" in response.content.decode()


def test_who_asks_for_problem_documents_alone_gets_json(client: APIClient) -> None:
    response = client.get("/api/letters", headers={"accept": "application/problem+json"})

    assert json.loads(response.content)["results"] == []
