"""Bodies that are no good are refused before anything looks at them."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]


@pytest.fixture
def client(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}', b'{"a": "\\u0000"}', b'{"\\ud800": 1}', b"1" * 5000),
        *(b'{"a": 1, "a": 2}', b'{"b": [{"a": 1, "\\u0061": 1}]}'),
    ],
)
def test_unusable_json_is_a_400_problem(client: APIClient, body: bytes) -> None:
    response = client.post("/api/raising", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["code"] == "MALFORMED_REQUEST"


def test_a_member_that_is_named_twice_is_refused_by_its_name(client: APIClient) -> None:
    response = client.post("/api/raising", b'{"a": 1, "notes": 1, "notes": 2}', content_type="application/json")

    assert response.json()["detail"] == "JSON parse error - an object names 'notes' twice"


def test_json_over_the_limit_is_a_413_problem(client: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = client.post("/api/raising", b'"' + b"x" * 200 + b'"', content_type="application/json")

    assert response.status_code == 413
    assert response.json()["code"] == "PAYLOAD_TOO_LARGE"


def test_a_form_over_the_limit_is_a_413_problem(client: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = client.post("/api/raising", "a=" + "x" * 200, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 413
