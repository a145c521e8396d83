"""Wall-clock spans in zones of their own."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.choices import DAYS
from alerts.schedules import Schedule, ScheduleError, parse_schedule

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]

instants = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of a strategy are naive
times = st.integers(0, 1439)
schedules = st.builds(
    Schedule,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=times,
    end=times,
    timezone=st.sampled_from(ZONES).map(ZoneInfo),
).filter(lambda schedule: schedule.start != schedule.end)


def night(*days: str, timezone: str = "Europe/Berlin") -> Schedule:
    return parse_schedule({"days": list(days), "start": "22:00", "end": "06:00", "timezone": timezone})


def span_of(schedule: Schedule, day: datetime) -> tuple[datetime, datetime]:
    """Give the naive start and end of the span that begins on this local day."""
    start = day + timedelta(minutes=schedule.start)
    end = day + timedelta(minutes=schedule.end, days=int(schedule.end < schedule.start))
    return start, end


@given(schedules, instants)
def test_an_instant_is_within_when_the_span_of_its_day_or_the_day_before_holds_its_wall_clock(
    schedule: Schedule, instant: datetime
) -> None:
    wall = instant.astimezone(schedule.timezone).replace(tzinfo=None)
    today = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    spans = [span_of(schedule, day) for day in (today, today - timedelta(days=1)) if day.weekday() in schedule.days]

    assert schedule.holds_at(instant) == any(start <= wall < end for start, end in spans)


@given(schedules, instants)
def test_a_schedule_and_its_complement_hold_at_one_instant_only_once(schedule: Schedule, instant: datetime) -> None:
    every_day = Schedule(frozenset(range(7)), schedule.start, schedule.end, schedule.timezone)
    complement = Schedule(frozenset(range(7)), schedule.end, schedule.start, schedule.timezone)

    assert every_day.holds_at(instant) != complement.holds_at(instant)


@given(schedules)
def test_what_is_shown_reads_back_the_same(schedule: Schedule) -> None:
    assert parse_schedule(schedule.as_json()) == schedule


@pytest.mark.parametrize(
    ("local", "holds"),
    [
        ("2026-03-13T21:59:59.999999", False),
        ("2026-03-13T22:00", True),
        ("2026-03-14T05:59:59.999999", True),
        ("2026-03-14T06:00", False),
    ],
)
def test_the_start_counts_and_the_end_does_not(local: str, *, holds: bool) -> None:
    assert night().holds_at(datetime.fromisoformat(local).replace(tzinfo=BERLIN)) is holds


def test_a_span_over_midnight_belongs_to_the_day_it_starts_on() -> None:
    friday = night("friday")

    assert friday.holds_at(datetime(2026, 3, 14, 3, 0, tzinfo=BERLIN))  # Saturday morning
    assert not friday.holds_at(datetime(2026, 3, 13, 3, 0, tzinfo=BERLIN))  # Friday morning


def test_an_hour_that_is_skipped_in_spring_never_comes() -> None:
    gap = parse_schedule({"start": "02:00", "end": "03:00", "timezone": "Europe/Berlin"})
    night_of_change = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)

    assert not any(gap.holds_at(night_of_change + timedelta(minutes=minute)) for minute in range(180))


def test_an_hour_that_is_repeated_in_autumn_counts_both_times() -> None:
    fold = parse_schedule({"start": "02:00", "end": "03:00", "timezone": "Europe/Berlin"})
    night_of_change = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)

    assert sum(fold.holds_at(night_of_change + timedelta(minutes=minute)) for minute in range(180)) == 120


def test_a_whole_day_ends_at_24_00() -> None:
    sunday = parse_schedule({"days": ["sunday"], "start": "00:00", "end": "24:00", "timezone": "UTC"})

    assert sunday.holds_at(datetime(2026, 3, 15, 0, 0, tzinfo=UTC))
    assert sunday.holds_at(datetime(2026, 3, 15, 23, 59, 59, tzinfo=UTC))
    assert not sunday.holds_at(datetime(2026, 3, 16, 0, 0, tzinfo=UTC))


def test_no_days_are_all_days() -> None:
    assert night().as_json()["days"] == list(DAYS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"days": ["someday"]}, "days"),
        ({"days": "monday"}, "days"),
        ({"days": [1]}, "days"),
        ({"start": "24:00"}, "start"),
        ({"start": "7:00"}, "start"),
        ({"start": None}, "start"),
        ({"start": 22}, "start"),
        ({"end": "25:00"}, "end"),
        ({"end": "22:00"}, "end"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "\0"}, "timezone"),
        ({"until": "06:00"}, "until"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    value = {"days": ["monday"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"} | change

    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(value)

    assert list(refusal.value.errors) == [field]


@pytest.mark.parametrize("value", [None, [], "22:00-06:00", 5])
def test_what_is_no_schedule_at_all_is_refused(value: object) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(value)
