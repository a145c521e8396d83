"""What the database refuses is a conflict that says what to change, and shows no value."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from tests.core.rest import RaisingView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]


@pytest.fixture(autouse=True)
def forget_error() -> Iterator[None]:
    yield
    RaisingView.error = RuntimeError("not set")


def violation(table: str, insert: str) -> IntegrityError:
    """Give what the database itself raises for this."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {table}")
        cursor.execute(insert)
    return caught.value


def test_a_taken_value_is_a_409_that_names_the_fields_and_no_value(key_client: Callable[..., APIClient]) -> None:
    error = violation(
        "taken (name text, camera_id text, UNIQUE (name, camera_id))",
        "INSERT INTO taken VALUES ('hunter2', 'x'), ('hunter2', 'x')",
    )

    RaisingView.error = error
    response: Any = key_client("admin").get("/api/raising")

    assert response.status_code == 409
    assert response.json()["details"] == {"fields": ["name", "camera"]}
    assert "hunter2" not in response.content.decode()


def test_a_reference_to_what_is_gone_is_a_409(key_client: Callable[..., APIClient]) -> None:
    error = violation(
        "child (id integer PRIMARY KEY, parent_id integer REFERENCES child (id))", "INSERT INTO child VALUES (1, 7)"
    )

    RaisingView.error = error
    response: Any = key_client("admin").get("/api/raising")

    assert (response.status_code, response.json()["code"]) == (409, "CONFLICT")
    assert "refers to" in response.json()["detail"]
