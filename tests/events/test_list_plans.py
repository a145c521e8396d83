"""Every filter and order of the list of events is served by an index, on the first page and deep in the list."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict

from events.api.serializers import EventSerializer
from events.filters import EventFilter
from events.models import Event
from siteadmin.core.cursors import Keyset, Place
from siteadmin.core.reading import Statement
from siteadmin.core.rowplans import plan_for
from siteadmin.history.service import make_history
from tests import databases

pytestmark = pytest.mark.django_db

EVENTS = 20_000
UNTIL = datetime(2026, 3, 14, tzinfo=UTC)
MOST_TOUCHED = EVENTS // 10
"""Rows that one page may look at: a walk through the table, or a sort of it, looks at all."""
FILTERS = [
    "",
    "camera=history_front_door",
    "camera=history_front_door,history_driveway",
    "camera=history_boat_house",
    "camera=nowhere",
    "risk_level=high",
    "risk_level=critical,high",
    "reviewed=false",
    "reviewed=true",
    "kept=true",
    "kept=false",
    "min_risk=75",
    "max_risk=10",
    "min_risk=30&max_risk=60",
    "object_type=bus",
    "object_type=person,car",
    "zone=999999999",
    "camera=history_front_door&risk_level=high",
    "camera=history_front_door&reviewed=false",
    "camera=history_front_door&risk_level=high&reviewed=false",
    "camera=history_front_door,history_driveway&risk_level=high&reviewed=false",
    "camera=history_front_door&kept=true",
    "risk_level=high&reviewed=false",
    "started_after=2025-06-01T00:00:00Z&started_before=2025-06-02T00:00:00Z",
    "started_after=2026-03-01T00:00:00Z&overlaps=1",
    "time_of_day=22:00-06:00",
    "q=wheelbarrow",
    "q=ladder",
    "q=person",
    "q=-person",
    "q=nothinglikethis",
    "camera=history_front_door&q=ladder",
]
BY_SCORE = [
    "",
    "camera=history_front_door",
    "risk_level=high",
    "risk_level=critical,high",
    "reviewed=false",
    "q=ladder",
]
CASES = [(query, "") for query in FILTERS] + [(query, "started_at") for query in FILTERS[:4]]
CASES += [(query, order) for query in BY_SCORE for order in ("-risk_score", "risk_score")]


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Fill the database for this module; the planner must know it, which it does not inside a transaction."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # an index made among dead rows is of no use while older transactions run anywhere
        make_history(events=EVENTS, seed=1, until=UNTIL, span=timedelta(days=365))
    yield
    with django_db_blocker.unblock():
        databases.restore()


def explain(query: str, order: str, *, place: Place | None) -> list[dict[str, Any]]:
    """Run what the list asks for this page, and give the nodes of its plan."""
    rows = Event.objects.for_api()
    rows = rows.order_by(order) if order else rows
    rows = EventFilter(QueryDict(f"{query}&ordering={order}" if order else query), rows).narrow()
    plan = plan_for(EventSerializer, Event.objects.for_api())
    assert plan is not None
    keyset = Keyset.of(rows)
    part = next(iter(keyset.parts(rows, place)))
    statement = Statement(plan.apply(part[:51], ahead=[key.name for key in keyset.keys]))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", statement.parameters)
        found = cursor.fetchone()[0]
    return list(_nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def touched(node: dict[str, Any]) -> int:
    """Count the events that a node looked at."""
    removed = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
    return round((node["Actual Rows"] + removed) * node["Actual Loops"])


def assert_by_index(nodes: list[dict[str, Any]]) -> None:
    on_events = [node for node in nodes if node.get("Relation Name") == "events_event"]
    assert on_events
    assert [node for node in on_events if node["Node Type"] == "Seq Scan"] == []
    assert sum(map(touched, on_events)) <= MOST_TOUCHED
    sorts = [node for node in nodes if node["Node Type"] == "Sort"]
    assert all(inner["Actual Rows"] <= MOST_TOUCHED for node in sorts for inner in node["Plans"])


@pytest.mark.parametrize(("query", "order"), CASES)
def test_the_first_page_is_served_by_an_index(query: str, order: str) -> None:
    assert_by_index(explain(query, order, place=None))


@pytest.mark.parametrize(("query", "order"), CASES)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_a_page_deep_in_the_list_is_served_by_an_index(query: str, order: str, backwards: bool) -> None:
    middle = Event.objects.all().order_by("started_at")[EVENTS // 2]
    values = (15, middle.pk) if "risk_score" in order else (middle.started_at, middle.pk)

    assert_by_index(explain(query, order, place=Place(values, backwards=backwards)))


def test_the_end_of_a_list_by_score_is_events_without_one() -> None:
    assert_by_index(explain("", "-risk_score", place=Place((None, EVENTS // 2))))


def test_what_still_went_on_is_found_however_long_before_it_began() -> None:
    long = Event.objects.earliest("started_at")
    type(long).objects.filter(pk=long.pk).update(ended_at=UNTIL + timedelta(days=9))

    found = Event.objects.for_api().going_on_from(UNTIL + timedelta(days=8))

    assert [event.pk for event in found] == [long.pk]
