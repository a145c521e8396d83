"""The API as a whole: root, schema, its page, and what is not there."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

ClientAs = Callable[[str], APIClient]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/schema", "/api/docs", "/api/docs/"])
@pytest.mark.parametrize("accept", ["application/json", "text/html,*/*;q=0.8"])
def test_nobody_gets_in_and_nobody_is_redirected(path: str, accept: str) -> None:
    response = APIClient().get(path, headers={"accept": accept})

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    expected = "text/html" if accept.startswith("text/html") else "application/problem+json"
    assert response["Content-Type"].startswith(expected)


@pytest.mark.parametrize("path", ["/api/schema?format=json", "/api/schema/?format=json"])
def test_the_schema_is_openapi_3_1(client_as: ClientAs, path: str) -> None:
    schema: dict[str, Any] = client_as("viewer").get(path).json()

    assert schema["openapi"].startswith("3.1")
    assert all(path.startswith("/api/") for path in schema["paths"])


def test_a_browser_can_ask_for_the_schema_too(client_as: ClientAs) -> None:
    response = client_as("viewer").get("/api/schema?format=json", headers={"accept": "text/html"})

    assert response.status_code == 200


def test_the_schema_is_yaml_where_nothing_else_is_said(client_as: ClientAs) -> None:
    response = client_as("viewer").get("/api/schema")

    assert response.content.startswith(b"openapi: 3.1")


def test_the_schema_is_the_same_each_time_in_either_form(client_as: ClientAs) -> None:
    viewer = client_as("viewer")
    as_yaml, again = (viewer.get("/api/schema").content for _ in range(2))
    as_json, once_more = (viewer.get("/api/schema?format=json").content for _ in range(2))

    assert (as_yaml, as_json) == (again, once_more)
    assert (as_yaml[:8], as_json[:1]) == (b"openapi:", b"{")


@pytest.mark.parametrize("path", ["/api/schema?verison=2", "/api/docs?verison=2"])
def test_neither_takes_a_parameter_that_nothing_acts_on(client_as: ClientAs, path: str) -> None:
    response = client_as("viewer").get(path)

    assert response.status_code == 400
    assert b"verison" in response.content


def test_the_page_to_try_it_loads_nothing_from_outside(client_as: ClientAs) -> None:
    page = client_as("viewer").get("/api/docs", headers={"accept": "text/html"})

    assert page.status_code == 200
    assert "swagger-ui" in page.content.decode()
    assert "https://cdn" not in page.content.decode()


def test_the_browsable_root_names_who_is_logged_in(client_as: ClientAs) -> None:
    page = client_as("viewer").get("/api/", headers={"accept": "text/html"})

    assert page.status_code == 200
    assert "person" in page.content.decode()


def test_the_root_names_all_lists_and_what_is_none(client_as: ClientAs) -> None:
    named = client_as("viewer").get("/api").json()

    assert {"events", "cameras", "system/status", "stream", "schema", "docs"} <= set(named)
    assert all(address == f"http://testserver/api/{name}" for name, address in named.items())


def test_a_page_leads_back_by_what_there_is(client_as: ClientAs) -> None:
    page = client_as("operator").get("/api/system/status", headers={"accept": "text/html"})

    assert [name for name, _ in page.context["breadcrumblist"]] == ["API", "System Status"]


def test_what_is_not_there_is_a_404_problem() -> None:
    response = APIClient().get("/api/nothing")

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
