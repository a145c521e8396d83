"""What a request may cost: bytes, words, and the database's time."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection, transaction
from django.test import Client
from rest_framework.test import APIClient

from siteadmin.core.request_size import FORM_OVERHEAD_BYTES
from siteadmin.core.statements import add_timeout
from tests.core.rest import RaisingView

Keys = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def forget_error() -> Iterator[None]:
    yield
    RaisingView.error = RuntimeError("not set")


@pytest.fixture
def small(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2048
    settings.MAX_UPLOAD_BYTES = 4096


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "image/jpeg"])
def test_a_body_over_the_limit_is_a_413_problem_whoever_sends_it(content_type: str) -> None:
    response = Client().post("/api/cameras", b"x" * 2049, content_type=content_type)

    assert response.status_code == 413
    assert response.json()["code"] == "PAYLOAD_TOO_LARGE"
    assert response.json()["details"] == {"limit": 2048}


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", ["/api/cameras/yard/snapshots", "/api/cameras/yard/snapshots/", "/api/detect"])
def test_where_pictures_are_taken_a_body_may_be_as_large_as_one(key_client: Keys, path: str) -> None:
    limit = 4096 + FORM_OVERHEAD_BYTES
    client = key_client("admin")

    assert client.generic("POST", path, b"x" * limit, content_type="text/plain").status_code in (404, 415)
    assert client.generic("POST", path, b"x" * (limit + 1), content_type="text/plain").status_code == 413


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_a_page_refuses_a_form_over_the_limit_before_it_is_read() -> None:
    response = Client().post("/admin/login/", b"x" * 2049, content_type="multipart/form-data; boundary=x")

    assert response.status_code == 413
    assert "2048" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/events?q=" + "a" * 501, "max_length"),
        ("/api/events?q=" + "+".join("ab" for _ in range(33)), "too_many"),
        ("/api/cameras?q=" + "a" * 501, "max_length"),
        ("/api/events?camera=" + ",".join("a" for _ in range(1001)), "too_many"),
        ("/api/events?limit=1001", "invalid"),
        ("/api/events?page=1&per_page=1001", "invalid"),
        ("/api/events/summary?started_after=2020-01-01T00:00:00Z&started_before=2022-01-01T00:00:00Z", "invalid_range"),
    ],
    ids=lambda value: value[:40],
)
def test_a_question_that_asks_for_too_much_is_told_the_limit(key_client: Keys, path: str, code: str) -> None:
    response = key_client("viewer").get(path)

    assert response.status_code == 400
    assert any(sign.isdigit() for sign in response.json()["detail"])
    assert [error["code"] for error in response.json()["errors"]][:1] == [code]


@pytest.mark.django_db
def test_32_words_are_searched_for(key_client: Keys) -> None:
    assert key_client("viewer").get("/api/events?q=" + "+".join("ab" for _ in range(32))).status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("small_api")
def test_a_statement_that_the_database_ended_is_a_503_that_says_so(key_client: Keys) -> None:
    with pytest.raises(OperationalError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 20")
        cursor.execute("SELECT pg_sleep(5)")
    RaisingView.error = caught.value

    response = key_client("viewer").get("/api/raising")

    assert response.status_code == 503
    assert response.json()["code"] == "QUERY_TIMEOUT"
    assert response.json()["detail"] == "This took longer than 15 s"
    assert "Retry-After" in response


def test_a_connection_ends_its_statements_beside_the_options_it_had() -> None:
    options = {"options": "-c application_name=mine"}
    add_timeout(options, timedelta(milliseconds=30))

    with psycopg.connect(django_settings.DATABASE_URL, **options) as opened:  # type: ignore[arg-type]
        assert opened.execute("SHOW application_name").fetchone() == ("mine",)
        with pytest.raises(psycopg.errors.QueryCanceled):
            opened.execute("SELECT pg_sleep(5)")
