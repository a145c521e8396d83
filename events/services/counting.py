"""Counts events by local day and level."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from events.choices import MOST_DAYS, USUAL_DAYS, RiskLevel
from events.models import Event
from siteadmin.core.exceptions import DateRangeValidationError

NO_LEVEL = "none"
"""Events that were not scored yet."""
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class LevelCount:
    """Events of one level."""

    reviewed: int = 0
    unreviewed: int = 0


def _no_counts() -> dict[str, LevelCount]:
    return {name: LevelCount() for name in (*RiskLevel.values, NO_LEVEL)}


@dataclass(slots=True)
class DayCount:
    """The part [started_after, started_before) of one local day that lies in the range."""

    day: date
    started_after: datetime
    started_before: datetime
    levels: dict[str, LevelCount] = field(default_factory=_no_counts)


def choose_range(
    start: datetime | None, end: datetime | None, *, zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Complete a range: it ends with today and takes USUAL_DAYS local days unless it says otherwise.

    Raises DateRangeValidationError for more than MOST_DAYS, and outside of 1971-9000.
    """
    end = day_start(_local_day(now, zone) + timedelta(days=1), zone) if end is None else end
    if not EARLIEST <= end <= LATEST or not EARLIEST <= (start or EARLIEST) <= LATEST:
        raise _refusal("The range lies outside of the years 1971 to 9000")
    if start is None:
        last = _local_day(end - timedelta(microseconds=1), zone)
        start = day_start(last - timedelta(days=USUAL_DAYS - 1), zone)
    if start > end:
        raise _refusal("The range starts after it ends")
    if (_local_day(end, zone) - _local_day(start, zone)).days > MOST_DAYS:
        raise _refusal(f"A summary takes at most {MOST_DAYS} days")
    return start, end


def count_by_day(events: QuerySet[Event], *, start: datetime, end: datetime, zone: ZoneInfo) -> list[DayCount]:
    """Count these events by local day of their start in [start, end), days without any included. One statement."""
    days = split_days(start, end, zone=zone)
    if not days:
        return []
    for number, level, reviewed, count in Event.objects.count_in_spans(
        events, bounds=[day.started_after for day in days], end=end
    ):
        levels = days[number - 1].levels[level or NO_LEVEL]
        if reviewed:
            levels.reviewed += count
        else:
            levels.unreviewed += count
    return days


def split_days(start: datetime, end: datetime, *, zone: ZoneInfo) -> list[DayCount]:
    """Cut [start, end) at the local midnights; a day that the clock skips whole has no part."""
    days: list[DayCount] = []
    day, at = _local_day(start, zone), start
    while at < end:
        following = min(day_start(day + timedelta(days=1), zone), end)
        if following > at:
            days.append(DayCount(day=day, started_after=at, started_before=following))
            at = following
        day += timedelta(days=1)
    return days


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant at which a local day begins, where the clock skips midnight too."""
    # In a gap the earlier offset counts (PEP 495), which makes it the instant of the change.
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def totals_of(days: Iterable[DayCount]) -> Sequence[int]:
    """Give how many events are reviewed, and how many are not."""
    counts = [count for day in days for count in day.levels.values()]
    return sum(count.reviewed for count in counts), sum(count.unreviewed for count in counts)


def _local_day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def _refusal(message: str) -> DateRangeValidationError:
    return DateRangeValidationError(
        message, errors=[{"field": "started_after", "code": "invalid_range", "detail": message}]
    )
