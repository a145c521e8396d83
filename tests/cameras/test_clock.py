"""Which time a picture is put under."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.ingest.clock import AHEAD, EARLIEST, choose_captured_at, format_stated, moment_in_clip

BERLIN = ZoneInfo("Europe/Berlin")
ARRIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def choose(stated: datetime | None = None, file_time: datetime | None = None, zone: ZoneInfo = BERLIN) -> datetime:
    return choose_captured_at(stated=stated, file_time=file_time, zone=zone, arrived_at=ARRIVED)


def test_stated_time_is_local_to_the_camera() -> None:
    assert choose(datetime(2026, 7, 1, 14, 0)) == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_repeated_autumn_hour_is_the_first_one() -> None:
    assert choose(datetime(2026, 10, 25, 2, 30)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_aware_time_of_a_client_is_taken_as_it_is() -> None:
    assert choose(datetime(2026, 7, 1, 14, 0, tzinfo=UTC)) == datetime(2026, 7, 1, 14, 0, tzinfo=UTC)


def test_file_time_counts_without_a_stated_one() -> None:
    assert choose(file_time=ARRIVED - timedelta(hours=3)) == ARRIVED - timedelta(hours=3)


@pytest.mark.parametrize(
    "stated",
    [
        datetime(1970, 1, 1, 0, 5),
        datetime(2000, 1, 1),
        datetime(2026, 11, 23, 13, 6),
        datetime(1, 1, 1),
        datetime(9999, 12, 31),
    ],
)
def test_impossible_times_give_way_to_the_arrival(stated: datetime) -> None:
    assert choose(stated) == ARRIVED


def test_five_minutes_ahead_are_still_believed() -> None:
    assert choose(datetime(2026, 11, 23, 13, 5)) == ARRIVED + timedelta(minutes=5)


@given(st.none() | st.datetimes(), st.none() | st.datetimes(timezones=st.just(UTC)), st.timezones())
def test_any_time_ends_within_bounds(stated: datetime | None, file_time: datetime | None, zone: ZoneInfo) -> None:
    chosen = choose(stated, file_time, zone)
    assert EARLIEST <= chosen <= ARRIVED + AHEAD


def test_identity_keeps_what_was_stated() -> None:
    assert format_stated(datetime(2000, 1, 1, 0, 5)) == "2000-01-01T00:05:00"
    assert format_stated(datetime(2026, 3, 14, 21, 58, tzinfo=BERLIN)) == "2026-03-14T20:58:00+00:00"
    assert format_stated(None) == ""


@pytest.mark.parametrize(
    ("offset", "seconds"),
    [(0.0, 0), (58.5, 58.5), (1e9, AHEAD.total_seconds() + 60), (1e300, AHEAD.total_seconds() + 60)],
)
def test_no_clip_leads_beyond_its_arrival(offset: float, seconds: float) -> None:
    captured_at = ARRIVED - timedelta(seconds=60)

    moment = moment_in_clip(captured_at, offset=offset, arrived_at=ARRIVED)

    assert moment == captured_at + timedelta(seconds=seconds)
