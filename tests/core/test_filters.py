"""Query parameters: known, typed, exact."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from siteadmin.core.filters import LARGEST_ID, parse_id, parse_instant
from siteadmin.core.models import DeadLetter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def client(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


@pytest.fixture
def letters(db: None) -> list[DeadLetter]:
    rows = [
        DeadLetter(queue=queue, task="t", subject=queue, attempts=n, state=state, error=error)
        for n, (queue, state, error) in enumerate(
            [("detect", "dead", ""), ("Detect", "requeued", "boom"), ("deliver", "discarded", "boom")]
        )
    ]
    for n, row in enumerate(rows):
        row.last_failed_at = NOON + timedelta(hours=n)
    return list(DeadLetter.objects.create_many(rows))


def queues(client: APIClient, query: str) -> list[str]:
    response = client.get(f"/api/letters?{query}")
    assert response.status_code == 200, response.content
    return sorted(row["queue"] for row in response.json()["results"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("queue=detect", ["detect"]),
        ("queue=det", []),
        ("queue=detect,deliver", ["deliver", "detect"]),
        ("queue=detect&queue=deliver", ["deliver", "detect"]),
        ("queue=detect,,%20deliver", ["deliver", "detect"]),
        ("state=dead,requeued", ["Detect", "detect"]),
        ("task=T", []),
        ("min_attempts=1", ["Detect", "deliver"]),
        ("silent=true", ["detect"]),
        ("silent=0", ["Detect", "deliver"]),
        ("failed_after=2026-03-14T13:00:00Z", ["Detect", "deliver"]),
        ("failed_before=2026-03-14T13:00:00Z", ["detect"]),
        ("failed_after=2026-03-14T14:00:00%2B01:00&failed_before=2026-03-14T14:00:00Z", ["Detect"]),
        ("failed_after=2026-03-14T14:00:00+01:00", ["Detect", "deliver"]),
        ("queue=&state=&failed_after=&silent=&min_attempts=&nothing=", ["Detect", "deliver", "detect"]),
        ("format=json&csrfmiddlewaretoken=x", ["Detect", "deliver", "detect"]),
    ],
)
@pytest.mark.usefixtures("letters")
def test_filters_match_exactly(client: APIClient, query: str, expected: list[str]) -> None:
    assert queues(client, query) == expected


def test_ids_are_matched_by_several_values(client: APIClient, letters: list[DeadLetter]) -> None:
    assert queues(client, f"id={letters[0].pk},{letters[2].pk}") == ["deliver", "detect"]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("state=gone", "state", "invalid_choice"),
        ("state=DEAD", "state", "invalid_choice"),
        ("id=abc", "id", "invalid"),
        ("id=99999999999999999999", "id", "invalid"),
        ("failed_after=2026-03-14T13:00:00", "failed_after", "naive_time"),
        ("failed_after=yesterday", "failed_after", "invalid"),
        ("failed_after=2026-02-30T00:00:00Z", "failed_after", "invalid"),
        ("silent=perhaps", "silent", "invalid"),
        ("min_attempts=-1", "min_attempts", "min_value"),
        ("min_attempts=x", "min_attempts", "invalid"),
        ("task=%00", "task", "null_characters_not_allowed"),
        ("queue=%00", "queue", "null_characters_not_allowed"),
        ("queue=" + ",".join(map(str, range(1001))), "queue", "too_many"),
        ("nothing=1", "nothing", "unknown_parameter"),
        ("ordering=subject", "ordering", "invalid_choice"),
        ("fields=id,nothing", "fields", "invalid_choice"),
        ("failed_after=2026-03-15T00:00:00Z&failed_before=2026-03-14T00:00:00Z", "failed_after", "invalid_range"),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_parameter(client: APIClient, query: str, field: str, code: str) -> None:
    response = client.get(f"/api/letters?{query}")

    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]


def test_an_unknown_parameter_is_named_with_the_known_ones(client: APIClient) -> None:
    detail = client.get("/api/letters?stat=dead").json()["detail"]

    assert "stat;" in detail
    assert "state" in detail and "limit" in detail and "ordering" in detail


@pytest.mark.parametrize(("method", "path"), [("get", "/api/letters/{pk}"), ("patch", "/api/letters/{pk}")])
def test_an_unknown_parameter_is_refused_on_every_verb(
    client: APIClient, letters: list[DeadLetter], method: str, path: str
) -> None:
    address = path.format(pk=letters[0].pk)

    assert getattr(client, method)(f"{address}?state=dead").status_code == 400


def test_an_action_takes_the_parameters_that_it_declares(client: APIClient, letters: list[DeadLetter]) -> None:
    address = f"/api/letters/{letters[0].pk}/note"

    assert client.post(f"{address}?loud=1").status_code == 200
    assert client.post(f"{address}?quiet=1").status_code == 400


def test_a_reversed_range_has_its_own_code(client: APIClient) -> None:
    response = client.get("/api/letters?failed_after=2026-03-15T00:00:00Z&failed_before=2026-03-14T00:00:00Z")

    assert response.json()["code"] == "INVALID_DATE_RANGE"


def test_fields_are_picked_in_lists_and_single_rows(client: APIClient, letters: list[DeadLetter]) -> None:
    listed = client.get("/api/letters?fields=id,queue&limit=1").json()["results"][0]
    single = client.get(f"/api/letters/{letters[0].pk}?fields=queue").json()

    assert set(listed) == {"id", "queue"}
    assert single == {"queue": "detect"}


def test_an_unknown_field_in_the_body_is_refused_with_the_allowed_ones(client: APIClient) -> None:
    response = client.post("/api/letters", {"queue": "q", "task": "t", "subject": "s", "colour": 1}, format="json")

    (error,) = response.json()["errors"]
    assert response.status_code == 400
    assert (error["field"], error["code"]) == ("colour", "unknown_field")
    assert "queue" in error["detail"] and "state" not in error["detail"]


def test_what_was_read_can_be_sent_back(client: APIClient, letters: list[DeadLetter]) -> None:
    address = f"/api/letters/{letters[1].pk}"
    body = client.get(address).json()

    response = client.patch(address, {**body, "state": "dead"}, format="json")

    assert response.status_code == 200
    assert response.json() == body


def test_nul_in_a_form_is_a_400(client: APIClient) -> None:
    response = client.post("/api/letters", {"queue": "a\x00", "task": "t", "subject": "s"})

    assert response.status_code == 400


@given(st.text(max_size=25))
def test_an_id_is_read_only_where_a_row_could_have_it(text: str) -> None:
    number = parse_id(text)

    assert number is None or (0 < number <= LARGEST_ID and text.isascii())


@given(st.integers(-(2**70), 2**70))
def test_ids_are_64_bit(number: int) -> None:
    assert parse_id(str(number)) == (number if 0 < number <= LARGEST_ID else None)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_aware_time_is_read_back(moment: datetime) -> None:
    assert parse_instant(moment.isoformat()) == moment


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_validation_error(text: str) -> None:
    try:
        assert parse_instant(text).tzinfo is not None
    except ValidationError as error:
        assert error.code in ("invalid", "naive_time")
