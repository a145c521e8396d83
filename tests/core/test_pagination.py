"""Lists in pages: by cursor and by number."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from siteadmin.core import cursors, pagination
from siteadmin.core.cursors import Keyset
from siteadmin.core.models import ApiKey, DeadLetter
from siteadmin.core.pagination import ListPagination

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]

POSITIVE = "must be a positive integer"


@pytest.fixture
def client(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("viewer")


def make_letters(count: int, *, start: int = 0) -> list[DeadLetter]:
    now = timezone.now()
    return list(
        DeadLetter.objects.create_many(
            # Three rows share each time, so that ties are met.
            DeadLetter(
                queue="q", task="t", subject=str(n), attempts=n % 4, last_failed_at=now + timedelta(hours=n // 3)
            )
            for n in range(start, start + count)
        )
    )


def walk(client: APIClient, address: str | None, *, link: str = "next") -> list[list[int]]:
    pages = []
    while address is not None:
        body = client.get(address).json()
        pages.append([row["id"] for row in body["results"]])
        address = body[link]
    return pages


def last_page(client: APIClient, address: str) -> dict[str, Any]:
    body: dict[str, Any] = client.get(address).json()
    return last_page(client, body["next"]) if body["next"] else body


def newest_first() -> list[int]:
    return list(DeadLetter.objects.order_by("-last_failed_at", "-id").values_list("id", flat=True))


def test_the_first_page_has_fifty_rows_newest_first(client: APIClient) -> None:
    make_letters(60)

    body = client.get("/api/letters").json()

    assert set(body) == {"results", "next", "previous"}
    assert [row["id"] for row in body["results"]] == newest_first()[:50]
    assert body["previous"] is None
    assert body["next"].startswith("http://testserver/api/letters?cursor=")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 50])
def test_walking_forward_meets_every_row_once(client: APIClient, limit: int) -> None:
    make_letters(20)

    pages = walk(client, f"/api/letters?limit={limit}")

    assert sum(pages, []) == newest_first()
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_walking_back_meets_the_same_rows(client: APIClient, limit: int) -> None:
    make_letters(20)
    last = last_page(client, f"/api/letters?limit={limit}")

    pages = walk(client, last["previous"], link="previous")

    before = [row for page in reversed(pages) for row in page]
    assert before + [row["id"] for row in last["results"]] == newest_first()


def test_links_keep_the_other_parameters(client: APIClient) -> None:
    make_letters(8)

    body = client.get("/api/letters?limit=2&queue=q&fields=id&ordering=-attempts").json()

    for part in ("limit=2", "queue=q", "fields=id", "ordering=-attempts"):
        assert part in body["next"]


@pytest.mark.parametrize("ordering", ["attempts", "-attempts", "failed", "-failed", "attempts,-failed"])
def test_other_orders_are_walked_whole_with_ties_broken_by_id(client: APIClient, ordering: str) -> None:
    make_letters(20)

    pages = walk(client, f"/api/letters?limit=3&ordering={ordering}")

    rows = sum(pages, [])
    assert sorted(rows) == sorted(newest_first())
    attempts = [DeadLetter.objects.get(pk=pk).attempts for pk in rows]
    if ordering == "-attempts":
        assert attempts == sorted(attempts, reverse=True)
        assert rows[0] == max(pk for pk, tries in zip(rows, attempts, strict=True) if tries == attempts[0])


def test_rows_that_come_meanwhile_neither_repeat_nor_hide_others(client: APIClient) -> None:
    make_letters(9)
    expected = newest_first()
    first = client.get("/api/letters?limit=3").json()

    make_letters(5, start=100)
    rest = walk(client, first["next"])

    assert [row["id"] for row in first["results"]] + sum(rest, []) == expected


def test_rows_that_go_meanwhile_hide_no_others(client: APIClient) -> None:
    make_letters(9)
    expected = newest_first()
    first = client.get("/api/letters?limit=3").json()

    for row in first["results"]:
        DeadLetter.objects.delete_by_id(row["id"])
    rest = walk(client, first["next"])

    assert sum(rest, []) == expected[3:]


def test_the_way_back_is_there_though_all_later_rows_are_gone(client: APIClient) -> None:
    make_letters(6)
    expected = newest_first()
    first = client.get("/api/letters?limit=3").json()
    for pk in expected[3:]:
        DeadLetter.objects.delete_by_id(pk)

    empty = client.get(first["next"]).json()
    back = client.get(empty["previous"]).json()

    assert empty["results"] == [] and empty["next"] is None
    assert [row["id"] for row in back["results"]] == expected[:3]


def test_the_way_forward_is_there_though_all_earlier_rows_are_gone(client: APIClient) -> None:
    make_letters(6)
    expected = newest_first()
    second = client.get(client.get("/api/letters?limit=3").json()["next"]).json()
    for pk in expected[:3]:
        DeadLetter.objects.delete_by_id(pk)

    empty = client.get(second["previous"]).json()
    again = client.get(empty["next"]).json()

    assert empty["results"] == [] and empty["previous"] is None
    assert [row["id"] for row in again["results"]] == expected[3:]


def page_of_keys(**parameters: str) -> tuple[list[ApiKey], dict[str, Any]]:
    request = Request(APIRequestFactory().get("/", parameters))
    paginator = ListPagination()
    rows = paginator.paginate_queryset(ApiKey.objects.order_by(parameters.pop("order")), request)
    return rows, paginator.envelope


def cursor_in(address: str) -> str:
    return address.partition("cursor=")[2].partition("&")[0].replace("%3A", ":")


@pytest.mark.parametrize("order", ["last_used_at", "-last_used_at"])
@given(hours=st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=9), limit=st.integers(1, 4))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nulls_come_last_in_both_directions_and_none_is_lost(order: str, hours: list[int | None], limit: int) -> None:
    ApiKey.objects.all().delete()
    now = timezone.now()
    for n, hour in enumerate(hours):
        used_at = None if hour is None else now + timedelta(hours=hour)
        ApiKey.objects.save(ApiKey(name=f"k{n}", key_hash=f"h{n}", role="viewer", last_used_at=used_at))

    forward, cursor = [], ""
    backward: list[ApiKey] = []
    while True:
        rows, links = page_of_keys(order=order, limit=str(limit), cursor=cursor)
        forward += rows
        if links["next"] is None:
            break
        cursor = cursor_in(links["next"])
    backward = list(rows)
    while links["previous"] is not None:
        rows, links = page_of_keys(order=order, limit=str(limit), cursor=cursor_in(links["previous"]))
        backward = rows + backward

    used = [key.last_used_at for key in forward if key.last_used_at]
    assert len({key.pk for key in forward}) == len(forward) == len(hours)
    assert [key.last_used_at for key in forward] == sorted(used, reverse=order.startswith("-")) + [None] * (
        len(hours) - len(used)
    )
    assert [key.pk for key in backward] == [key.pk for key in forward]


@pytest.mark.parametrize("name", ["limit", "page", "per_page"])
@pytest.mark.parametrize("text", ["0", "-1", "abc", "1.5", "1e3", "²", "9" * 30])
def test_a_limit_that_is_no_positive_integer_is_refused(client: APIClient, name: str, text: str) -> None:
    response = client.get("/api/letters", {name: text})

    assert response.status_code == 400
    assert response.json()["detail"] == f"The '{name}' parameter {POSITIVE}"
    assert response.json()["errors"][0]["field"] == name


@pytest.mark.parametrize("name", ["limit", "per_page"])
def test_more_than_a_thousand_rows_a_page_are_refused(client: APIClient, name: str) -> None:
    assert client.get("/api/letters", {name: "1000"}).status_code == 200

    response = client.get("/api/letters", {name: "1001"})

    assert response.status_code == 400
    assert response.json()["detail"] == f"The '{name}' parameter must be at most 1000"


def test_an_empty_limit_counts_as_not_given(client: APIClient) -> None:
    assert client.get("/api/letters?limit=&cursor=&page=").json() == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize("query", ["limit=5&page=1", "per_page=5&limit=5", "cursor=x&page=1"])
def test_both_ways_of_paging_at_once_are_refused(client: APIClient, query: str) -> None:
    response = client.get(f"/api/letters?{query}")

    assert response.status_code == 400
    assert "cannot be used with" in response.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "abc.def", "\x00", "x" * 5000, "é"])
def test_a_made_up_cursor_is_refused(client: APIClient, cursor: str) -> None:
    response = client.get("/api/letters", {"cursor": cursor})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "cursor"


def test_a_changed_cursor_is_refused(client: APIClient) -> None:
    make_letters(4)
    cursor = cursor_in(client.get("/api/letters?limit=2").json()["next"])

    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]

    assert client.get("/api/letters", {"cursor": changed}).status_code == 400


def test_a_cursor_of_another_order_is_refused(client: APIClient) -> None:
    make_letters(4)
    cursor = cursor_in(client.get("/api/letters?limit=2").json()["next"])

    assert client.get("/api/letters", {"cursor": cursor, "ordering": "attempts"}).status_code == 400


def test_a_cursor_shows_no_values_and_fits_into_an_address() -> None:
    letter = DeadLetter(pk=5, last_failed_at=timezone.now())
    keyset = Keyset.of(DeadLetter.objects.all())

    text = keyset.write(keyset.place_of(letter))

    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert keyset.read(text).values == (letter.last_failed_at, 5)


def test_pages_by_number_have_totals(client: APIClient) -> None:
    make_letters(45)

    body = client.get("/api/letters?page=2").json()

    assert [row["id"] for row in body.pop("results")] == newest_first()[20:40]
    assert body == {"page": 2, "per_page": 20, "total": 45, "pages": 3, "total_exact": True}


def test_a_page_beyond_the_last_is_empty(client: APIClient) -> None:
    make_letters(3)

    body = client.get("/api/letters?page=9&per_page=2").json()

    assert body["results"] == []
    assert body["pages"] == 2


def test_a_page_beyond_all_numbers_is_refused(client: APIClient) -> None:
    assert client.get("/api/letters", {"page": "9" * 18, "per_page": "1000"}).status_code == 400


def test_an_empty_list_has_no_pages(client: APIClient) -> None:
    body = client.get("/api/letters?per_page=5").json()

    assert (body["total"], body["pages"], body["total_exact"]) == (0, 0, True)


def test_many_rows_are_estimated_and_said_to_be(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "EXACT_UP_TO", 10)
    make_letters(30)

    body = client.get("/api/letters?page=1").json()

    assert body["total_exact"] is False
    assert body["total"] >= 11


def test_counting_stops_at_the_bound(
    client: APIClient, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(pagination, "EXACT_UP_TO", 10)
    make_letters(11)

    with django_assert_num_queries(2) as queries:
        pagination.count_rows(DeadLetter.objects.filter(queue="q"))

    assert "LIMIT 11" in queries.captured_queries[0]["sql"]
    assert queries.captured_queries[1]["sql"].startswith("EXPLAIN (FORMAT json)")


def test_a_page_costs_one_query_besides_the_key(client: APIClient, django_assert_num_queries: Any) -> None:
    make_letters(20)
    following = client.get("/api/letters?limit=5").json()["next"]

    with django_assert_num_queries(2):
        client.get(following)


def test_links_begin_with_the_host_that_was_asked(client: APIClient, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["cameras.lan", "testserver"]
    settings.SITE_URL = "https://cameras.example"
    make_letters(3)

    page = client.get("/api/letters?limit=1", HTTP_HOST="cameras.lan").json()

    assert page["next"].startswith("http://cameras.lan/api/letters?")


def test_a_host_that_the_site_does_not_serve_makes_no_links(client: APIClient) -> None:
    answer = client.get("/api/letters?limit=1", HTTP_HOST="evil.example")

    assert answer.status_code == 400
    assert b"evil.example" not in answer.content


@pytest.mark.parametrize("text", ["", "WyJpZCIsMCxbMV1d", "é"])
def test_cursors_are_signed_as_django_signs(text: str) -> None:
    django_own = signing.Signer(sep=".", salt="siteadmin.core.cursors")

    assert cursors._SIGNER.sign(text) == django_own.sign(text)
    assert cursors._SIGNER.unsign(django_own.sign(text)) == text
