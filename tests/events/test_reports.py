"""Events counted by day, and as a file."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from events.models import Event
from events.services import exporting
from events.services.counting import choose_range, count_by_day, split_days
from siteadmin.core.exceptions import DateRangeValidationError
from siteadmin.core.exporting import ExportFormat, harmless
from tests.events.seen import client_with_key
from tests.factories import CameraFactory, EventFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
SUMMARY, EXPORT = "/api/events/summary", "/api/events/export"
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana"]


@pytest.fixture
def viewer() -> APIClient:
    """Give a key of a viewer."""
    return client_with_key("viewer")


def summary_of(client: APIClient, **parameters: Any) -> dict[str, Any]:
    response = client.get(SUMMARY, parameters)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def list_total(client: APIClient, **parameters: Any) -> int:
    return int(client.get("/api/events", {"page": 1, **parameters}).json()["total"])


def test_events_are_counted_by_local_day_level_and_review(viewer: APIClient) -> None:
    camera = CameraFactory()
    EventFactory(camera=camera, started_at=datetime(2026, 3, 13, 23, 30, tzinfo=UTC), risk_score=90, reviewed=True)
    EventFactory(camera=camera, started_at=datetime(2026, 3, 14, 22, 59, tzinfo=UTC), risk_score=90)
    EventFactory(camera=camera, started_at=datetime(2026, 3, 14, 23, 0, tzinfo=UTC), risk_score=10)
    EventFactory(camera=camera, started_at=datetime(2026, 3, 14, 23, 1, tzinfo=UTC), risk_score=None)
    span = {"started_after": "2026-03-14T00:00:00+01:00", "started_before": "2026-03-17T00:00:00+01:00"}

    with assert_query_count("api events summary"):
        body = summary_of(viewer, tz="Europe/Berlin", **span)

    assert (body["tz"], body["total"], body["reviewed"], body["unreviewed"]) == ("Europe/Berlin", 4, 1, 3)
    assert [(day["day"], day["total"]) for day in body["days"]] == [
        ("2026-03-14", 2),
        ("2026-03-15", 2),
        ("2026-03-16", 0),
    ]
    assert body["days"][0]["levels"]["critical"] == {"reviewed": 1, "unreviewed": 1}
    assert body["days"][1]["levels"]["low"] == {"reviewed": 0, "unreviewed": 1}
    assert body["days"][1]["levels"]["none"] == {"reviewed": 0, "unreviewed": 1}


def test_the_lists_filters_narrow_the_summary(viewer: APIClient) -> None:
    ours, theirs = CameraFactory(), CameraFactory()
    EventFactory(camera=ours, started_at=NOON, object_types=["car"])
    EventFactory(camera=ours, started_at=NOON)
    EventFactory(camera=theirs, started_at=NOON)
    EventFactory(camera=ours, started_at=NOON, deleted_at=NOON)
    span = {"started_after": "2026-03-14T00:00:00Z", "started_before": "2026-03-15T00:00:00Z"}

    assert summary_of(viewer, camera=ours.pk, **span)["total"] == 2
    assert summary_of(viewer, camera=ours.pk, object_type="car", **span)["total"] == 1
    assert summary_of(client_with_key("viewer", cameras=(theirs.pk,)), **span)["total"] == 1


def test_the_usual_range_is_thirty_days_with_today(viewer: APIClient) -> None:
    EventFactory(started_at=timezone.now())

    body = summary_of(viewer, tz="Pacific/Auckland")

    assert len(body["days"]) == 30
    assert body["days"][-1]["day"] == timezone.now().astimezone(ZoneInfo("Pacific/Auckland")).date().isoformat()
    assert body["total"] == 1


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)], ids=["clocks forward", "clocks back"]
)
def test_days_of_23_and_25_hours_count_what_the_list_counts(viewer: APIClient, day: str, hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=berlin).astimezone(UTC)
    camera = CameraFactory()
    for hour in range(-2, 28):
        EventFactory(camera=camera, started_at=midnight + timedelta(hours=hour))
    span = {"started_after": (midnight - timedelta(days=1)).isoformat(), "tz": "Europe/Berlin"}
    span["started_before"] = (midnight + timedelta(days=2)).isoformat()

    counted = {one["day"]: one for one in summary_of(viewer, **span)["days"]}[day]

    assert counted["total"] == hours
    bounds = {name: counted[name] for name in ("started_after", "started_before")}
    assert list_total(viewer, **bounds) == hours


@given(
    moments=st.lists(st.integers(0, 10 * 24 * 3600), max_size=12),
    first=st.integers(0, 5 * 24 * 3600),
    length=st.integers(0, 5 * 24 * 3600),
    begin=st.sampled_from([datetime(2026, 3, 25, tzinfo=UTC), datetime(2026, 10, 21, tzinfo=UTC), NOON]),
    name=st.sampled_from(ZONES),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_summary_counts_each_event_of_the_range_on_its_local_day(
    moments: list[int], first: int, length: int, begin: datetime, name: str
) -> None:
    camera, zone = CameraFactory(), ZoneInfo(name)
    times = [begin + timedelta(seconds=seconds) for seconds in moments]
    for moment in times:
        EventFactory(camera=camera, started_at=moment, risk_score=40)
    start = begin + timedelta(seconds=first)
    end = start + timedelta(seconds=length)

    days = count_by_day(Event.objects.for_api().filter(camera=camera), start=start, end=end, zone=zone)

    expected: dict[date, int] = {}
    for moment in times:
        if start <= moment < end:
            day = moment.astimezone(zone).date()
            expected[day] = expected.get(day, 0) + 1
    assert {day.day: day.levels["medium"].unreviewed for day in days if day.levels["medium"].unreviewed} == expected
    for day in days:
        listed = Event.objects.for_api().filter(
            camera=camera, started_at__gte=day.started_after, started_at__lt=day.started_before
        )
        assert listed.count() == day.levels["medium"].unreviewed


def test_a_day_that_the_clock_skips_has_no_part() -> None:
    apia = ZoneInfo("Pacific/Apia")

    days = split_days(datetime(2011, 12, 29, tzinfo=apia), datetime(2012, 1, 1, tzinfo=apia), zone=apia)

    assert [day.day.isoformat() for day in days] == ["2011-12-29", "2011-12-31"]


@pytest.mark.parametrize(
    "span",
    [
        {"started_after": "2024-01-01T00:00:00Z", "started_before": "2026-01-01T00:00:00Z"},
        {"started_after": "0001-01-01T00:00:00Z"},
        {"started_before": "9999-12-31T23:59:59Z"},
        {"started_before": "0001-01-01T00:00:00Z"},
        {"started_after": "2026-01-02T00:00:00Z", "started_before": "2026-01-01T00:00:00Z"},
        {"started_after": "2026-01-02"},
    ],
)
def test_a_range_that_is_too_long_or_none_is_refused(viewer: APIClient, span: dict[str, str]) -> None:
    assert viewer.get(SUMMARY, span).status_code == 400


def test_a_range_of_one_end_is_completed() -> None:
    zone = ZoneInfo("Europe/Berlin")

    assert choose_range(NOON, None, zone=zone, now=NOON) == (NOON, datetime(2026, 3, 14, 23, 0, tzinfo=UTC))
    assert choose_range(None, NOON, zone=zone, now=NOON) == (datetime(2026, 2, 12, 23, 0, tzinfo=UTC), NOON)
    with pytest.raises(DateRangeValidationError):
        choose_range(NOON + timedelta(days=9), None, zone=zone, now=NOON)


def test_parameters_that_nothing_would_act_on_are_refused(viewer: APIClient) -> None:
    for name in ("overlaps", "limit", "ordering", "fields"):
        assert viewer.get(SUMMARY, {name: "1"}).status_code == 400


def test_the_summary_is_read_from_an_index() -> None:
    events = [
        EventFactory.build(camera=camera, started_at=NOON - timedelta(minutes=7 * number))
        for camera in [CameraFactory()]
        for number in range(4000)
    ]
    Event.objects.create_many(events)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events_event")
        cursor.execute(
            "EXPLAIN SELECT risk_level, reviewed, count(*) FROM events_event WHERE deleted_at IS NULL"
            " AND merged_into_id IS NULL AND started_at >= %s AND started_at < %s GROUP BY 1, 2",
            [NOON - timedelta(days=1), NOON],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan" not in plan


def exported(client: APIClient, **parameters: Any) -> str:
    response: Any = client.get(EXPORT, parameters)
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_every_event_of_the_list(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "EXPORT_BATCH", 2)
    camera = CameraFactory(name="Door, front")
    same_time = [EventFactory(camera=camera, started_at=NOON).pk for _ in range(5)]
    older = EventFactory(camera=camera, started_at=NOON - timedelta(hours=1), object_types=["person", "car"], zones=[3])
    EventFactory(started_at=NOON)

    rows = rows_of(exported(viewer, format="csv", camera=camera.pk))

    assert [int(row["id"]) for row in rows] == [*sorted(same_time, reverse=True), older.pk]
    assert rows[-1]["camera_name"] == "Door, front"
    assert (rows[-1]["object_types"], rows[-1]["zones"]) == ("person,car", "3")
    assert rows[-1]["started_at"] == "2026-03-14T11:00:00Z"
    assert (rows[-1]["reviewed"], rows[-1]["reviewed_by"]) == ("false", "")


def test_json_lines_are_one_object_each(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "EXPORT_BATCH", 2)
    events = [EventFactory(started_at=NOON + timedelta(minutes=minute), notes="a\nb") for minute in range(3)]

    lines = [json.loads(line) for line in exported(viewer, format="jsonl").splitlines()]

    assert [line["id"] for line in lines] == [event.pk for event in reversed(events)]
    assert lines[0]["object_types"] == ["person"]
    assert lines[0]["notes"] == "a\nb"
    assert list(lines[0]) == list(exporting.COLUMNS)


def test_times_are_as_the_list_gives_them_to_the_microsecond(viewer: APIClient) -> None:
    EventFactory(started_at=NOON + timedelta(microseconds=123_456))
    [listed] = viewer.get("/api/events", {"fields": "started_at,ended_at"}).json()["results"]

    [row], [line] = rows_of(exported(viewer, format="csv")), exported(viewer, format="jsonl").splitlines()

    assert listed["started_at"] == "2026-03-14T12:00:00.123456Z"
    assert {name: row[name] for name in listed} == {name: json.loads(line)[name] for name in listed} == listed


def test_an_export_is_a_file(viewer: APIClient) -> None:
    for name, kind in (("csv", "text/csv"), ("jsonl", "application/jsonl")):
        response = viewer.get(EXPORT, {"format": name}, HTTP_ACCEPT="text/html")
        assert response["Content-Type"].startswith(kind)
        assert response["Content-Disposition"].startswith('attachment; filename="events-')
        assert response["Content-Disposition"].endswith(f'.{name}"')


def test_without_events_there_is_the_header_alone(viewer: APIClient) -> None:
    assert exported(viewer).splitlines() == [",".join(exporting.COLUMNS)]
    assert exported(viewer, format="jsonl") == ""


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(viewer: APIClient) -> None:
    formula = '=HYPERLINK("http://x.example","y")'
    EventFactory(notes=formula, summary="  @SUM(A1)", object_types=["+1", "car"])

    row = rows_of(exported(viewer))[0]

    assert (row["notes"], row["summary"]) == (f"'{formula}", "'  @SUM(A1)")
    assert row["object_types"] == "'+1,car"


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert not harmless(text).lstrip().startswith(("=", "+", "-", "@"))
    assert harmless(text).removeprefix("'") in (text, text.removeprefix("'"))


def test_other_formats_and_bad_filters_are_refused_before_anything_is_sent(viewer: APIClient) -> None:
    for parameters in ({"format": "xls"}, {"risk_level": "huge"}, {"limit": "5"}, {"started_after": "today"}):
        response = viewer.get(EXPORT, parameters)
        assert response.status_code == 400
        assert response["Content-Type"].startswith("application/problem+json")


def test_only_the_callers_cameras_are_exported() -> None:
    own, other = CameraFactory(), CameraFactory()
    event = EventFactory(camera=own)
    EventFactory(camera=other)

    rows = rows_of(exported(client_with_key("viewer", cameras=(own.pk,))))

    assert [int(row["id"]) for row in rows] == [event.pk]


def test_an_export_asks_by_batches_and_only_as_it_is_read(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "EXPORT_BATCH", 2)
    for _ in range(5):
        EventFactory()
    asked = 0
    real = Event.objects.export_after

    def count(*args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        asked += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(Event.objects, "export_after", count)
    stream: Iterator[bytes] = exporting.write_events(Event.objects.for_api(), form=ExportFormat.JSONL)

    assert next(stream) == b""  # JSON Lines have no head
    assert len(next(stream).splitlines()) == 2
    assert asked == 1
    assert [len(part.splitlines()) for part in stream] == [2, 1]
