"""A key alone says who asks the API: what browsers need besides is passed by."""

from typing import Any

import pytest
from django.test import Client

from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def bearer() -> dict[str, str]:
    return {"authorization": f"Bearer {create_api_key(name='script', role=Role.VIEWER)[1]}"}


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(UserFactory(role="operator"))
    return client


def test_a_key_opens_no_session_whatever_cookies_come_along(
    browser: Client, bearer: dict[str, str], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(3) as asked:
        answer = browser.get("/api/events", headers=bearer)

    assert answer.status_code == 200
    statements = " ".join(query["sql"] or "" for query in asked)
    assert "session" not in statements
    assert "auth_user" not in statements
    assert not answer.cookies
    assert "Cookie" not in answer["Vary"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_key_decides_beside_a_session_that_may_do_more(browser: Client, bearer: dict[str, str]) -> None:
    change = {"name": "night"}

    assert browser.post("/api/alert-rules", change, "application/json", headers=bearer).status_code == 403
    assert browser.get("/api/channels").status_code == 200


def test_a_key_is_for_the_api_alone(bearer: dict[str, str]) -> None:
    answer = Client().get("/", headers=bearer)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_the_browsable_page_shows_itself_to_a_key(bearer: dict[str, str]) -> None:
    answer = Client().get("/api/events", headers={**bearer, "accept": "text/html"})

    assert answer.status_code == 200
    assert "key:script" in answer.content.decode()
