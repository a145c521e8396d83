"""Events by the wall clock."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from events.models import Event
from tests.events.seen import client_with_key
from tests.factories import CameraFactory, EventFactory

pytestmark = pytest.mark.django_db
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC", "America/Havana"]


@pytest.fixture
def viewer() -> APIClient:
    """Give a key of a viewer."""
    return client_with_key("viewer")


def began(moment: datetime) -> int:
    event: Event = EventFactory(started_at=moment.astimezone(UTC))
    return event.pk


def berlin(*numbers: int, fold: int = 0) -> datetime:
    return datetime(*numbers, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)  # type: ignore[arg-type,misc]  # numbers


def found(client: APIClient, span: str, zone: str = "Europe/Berlin") -> set[int]:
    response = client.get("/api/events", {"time_of_day": span, "tz": zone})
    assert response.status_code == 200, response.content
    return {event["id"] for event in response.json()["results"]}


def test_the_end_is_not_included(viewer: APIClient) -> None:
    first = began(berlin(2026, 3, 14, 8, 0))
    last = began(berlin(2026, 3, 14, 8, 59, 59, 999_999))
    began(berlin(2026, 3, 14, 9, 0))
    began(berlin(2026, 3, 14, 7, 59, 59, 999_999))

    assert found(viewer, "08:00-09:00") == {first, last}


def test_a_night_spans_midnight(viewer: APIClient) -> None:
    inside = {began(berlin(2026, 3, 14, 22, 0)), began(berlin(2026, 3, 15, 0, 0)), began(berlin(2026, 3, 15, 5, 59))}
    began(berlin(2026, 3, 14, 21, 59))
    began(berlin(2026, 3, 15, 6, 0))

    assert found(viewer, "22:00-06:00") == inside


def test_midnight_can_be_the_end(viewer: APIClient) -> None:
    late = began(berlin(2026, 3, 14, 23, 59, 59))
    midnight = began(berlin(2026, 3, 15, 0, 0))

    assert found(viewer, "22:00-24:00") == {late}
    assert found(viewer, "22:00-00:00") == {late}
    assert found(viewer, "00:00-24:00") == {late, midnight}


def test_summer_and_winter_go_by_the_clock(viewer: APIClient) -> None:
    winter, summer = began(datetime(2026, 1, 15, 7, 30, tzinfo=UTC)), began(datetime(2026, 7, 15, 6, 30, tzinfo=UTC))
    began(datetime(2026, 7, 15, 7, 30, tzinfo=UTC))

    assert found(viewer, "08:00-09:00") == {winter, summer}


def test_the_hour_that_comes_twice_is_found_twice(viewer: APIClient) -> None:
    twice = {began(berlin(2026, 10, 25, 2, 30)), began(berlin(2026, 10, 25, 2, 30, fold=1))}

    assert found(viewer, "02:00-03:00") == twice


def test_without_a_zone_the_sites_counts(viewer: APIClient, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    event = began(datetime(2026, 3, 14, 0, 30, tzinfo=UTC))

    answer = viewer.get("/api/events", {"time_of_day": "09:00-10:00"}).json()

    assert [one["id"] for one in answer["results"]] == [event]


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "localtime", "right/UTC", "CEST7", "ü"]
)
def test_an_unknown_zone_is_refused(viewer: APIClient, zone: str) -> None:
    for path in ("/api/events", "/api/events/summary", "/api/events/export"):
        answer = viewer.get(path, {"time_of_day": "08:00-09:00", "tz": zone})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["tz"]


@pytest.mark.parametrize(
    "span", ["8-9", "08:00", "08:00-08:00", "24:00-06:00", "08:60-09:00", "25:00-26:00", "٠٨:٠٠-٠٩:٠٠", "08:00-24:01"]
)
def test_what_is_no_span_is_refused(viewer: APIClient, span: str) -> None:
    assert viewer.get("/api/events", {"time_of_day": span}).status_code == 400


@given(
    moments=st.lists(
        st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - zone beside
        min_size=1,
        max_size=8,
    ),
    start=st.times(),
    end=st.times(),
    name=st.sampled_from(ZONES),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_found_is_what_the_clock_showed(moments: list[datetime], start: time, end: time, name: str) -> None:
    camera, zone = CameraFactory(), ZoneInfo(name)
    events = {began_at(camera, moment): moment.astimezone(zone).time() for moment in moments}

    rows = Event.objects.get_queryset().filter(camera=camera).in_time_of_day(start, end, zone=zone)

    def inside(clock: time) -> bool:
        if end == time():
            return clock >= start
        return start <= clock < end if start < end else clock >= start or clock < end

    assert set(rows.values_list("pk", flat=True)) == {pk for pk, clock in events.items() if inside(clock)}


def began_at(camera: Any, moment: datetime) -> int:
    event: Event = EventFactory(camera=camera, started_at=moment, ended_at=moment + timedelta(seconds=1))
    return event.pk
