"""Wall-clock spans of the week in a zone of their own: is this instant within them?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerts.choices import DAYS
from siteadmin.core.timezones import find_zone

DAY_MINUTES = 24 * 60
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_FIELDS = ("days", "start", "end", "timezone")
MOST_SWITCH_TIMES = 50
_WEEK = timedelta(days=8)
"""The newest of weekly times is never older; a day more, since clocks are changed."""


class ScheduleError(ValueError):
    """A schedule cannot be used; `errors` has a message by field, "" for the schedule as a whole."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(self.errors.values()))


@dataclass(slots=True, frozen=True)
class Schedule:
    """From `start` to `end` (minutes of the local day, the end excluded) on these days (0 is Monday).

    Where the end lies before the start, the span goes on over midnight and belongs to the day it starts on.
    Times are what a clock on the wall shows: an hour that is skipped in spring never comes, one that is
    repeated in autumn counts both times.
    """

    days: frozenset[int]
    start: int
    end: int
    timezone: ZoneInfo

    def holds_at(self, instant: datetime) -> bool:
        """Tell whether this aware instant lies within."""
        local = instant.astimezone(self.timezone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)

    def as_json(self) -> dict[str, Any]:
        """Give the form in which it is stored and shown."""
        return {
            "days": [DAYS[day] for day in sorted(self.days)],
            "start": _show(self.start),
            "end": _show(self.end),
            "timezone": self.timezone.key,
        }

    def __str__(self) -> str:
        names = [DAYS[day][:3].capitalize() for day in sorted(self.days)]
        days = "every day" if len(names) == len(DAYS) else ", ".join(names)
        return f"{_show(self.start)}-{_show(self.end)} {self.timezone.key}, {days}"


def parse_schedule(value: Any) -> Schedule:
    """Read `{"days", "start", "end", "timezone"}`; no days are all days, 24:00 is the end of a day.

    Raises ScheduleError, which names each field that is wrong.
    """
    if not isinstance(value, Mapping):
        raise ScheduleError({"": f"A schedule has the fields {', '.join(_FIELDS)}."})
    errors = {str(name): "Unknown field." for name in value if name not in _FIELDS}
    days = value.get("days") or list(DAYS)
    unknown = [str(day) for day in days if day not in DAYS] if isinstance(days, (list, tuple)) else [str(days)]
    if unknown:
        errors["days"] = f"Not a day: {', '.join(unknown)}. Days are {', '.join(DAYS)}."
    start, end = _minutes(value.get("start")), _minutes(value.get("end"), allow_midnight=True)
    if start is None:
        errors["start"] = "Enter a time of day, such as 22:00."
    if end is None:
        errors["end"] = "Enter a time of day, such as 06:00, or 24:00."
    zone = _zone(value.get("timezone"))
    if zone is None:
        errors["timezone"] = "Enter an IANA time zone, such as Europe/Berlin."
    if start is not None and start == end:
        errors["end"] = "The end is the same as the start; for a whole day enter 00:00 to 24:00."
    if errors or start is None or end is None or zone is None:
        raise ScheduleError(errors)
    return Schedule(frozenset(DAYS.index(day) for day in days), start, end, zone)


def _minutes(value: Any, *, allow_midnight: bool = False) -> int | None:
    if value == "24:00" and allow_midnight:
        return DAY_MINUTES
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * 60 + int(found[2]) if found else None


def _zone(value: Any) -> ZoneInfo | None:
    return find_zone(value) if isinstance(value, str) else None


def _show(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@dataclass(slots=True, frozen=True)
class SwitchTimes:
    """Times of the week, each on some days at a minute of the local day, at which something happens once."""

    times: tuple[tuple[frozenset[int], int], ...]
    timezone: ZoneInfo

    def newest_within(self, since: datetime, until: datetime) -> datetime | None:
        """Give the newest of these times after `since` and not after `until`, or None.

        A time that a clock skips in spring comes when it would have been by the old time; one that it repeats in
        autumn comes the first time alone.
        """
        first = max(since, until - _WEEK)
        day, last = first.astimezone(self.timezone).date() - timedelta(days=1), until.astimezone(self.timezone).date()
        found: datetime | None = None
        while day <= last:
            for days, minute in self.times:
                if day.weekday() in days:
                    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=self.timezone)
                    at = local.astimezone(UTC)
                    if since < at <= until and (found is None or at > found):
                        found = at
            day += timedelta(days=1)
        return found

    def as_json(self) -> dict[str, Any]:
        """Give the form in which it is stored and shown."""
        return {
            "timezone": self.timezone.key,
            "times": [{"days": [DAYS[day] for day in sorted(days)], "at": _show(at)} for days, at in self.times],
        }


def parse_switch_times(value: Any) -> SwitchTimes:
    """Read `{"timezone", "times": [{"days", "at"}]}`; no days are all days. Raises ScheduleError."""
    if not isinstance(value, Mapping):
        raise ScheduleError({"": "Switch times have the fields timezone, times."})
    errors = {str(name): "Unknown field." for name in value if name not in ("timezone", "times")}
    zone = _zone(value.get("timezone"))
    if zone is None:
        errors["timezone"] = "Enter an IANA time zone, such as Europe/Berlin."
    items = value.get("times")
    if not isinstance(items, (list, tuple)) or not 1 <= len(items) <= MOST_SWITCH_TIMES:
        errors["times"] = f"Enter 1 to {MOST_SWITCH_TIMES} times, each with days and at."
        items = ()
    times = []
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or set(item) - {"days", "at"}:
            errors[f"times.{index}"] = "A time has the fields days, at."
            continue
        days, at = item.get("days") or list(DAYS), _minutes(item.get("at"))
        if not isinstance(days, (list, tuple)) or any(day not in DAYS for day in days):
            errors[f"times.{index}.days"] = f"Days are {', '.join(DAYS)}."
        elif at is None:
            errors[f"times.{index}.at"] = "Enter a time of day, such as 22:00."
        else:
            times.append((frozenset(DAYS.index(day) for day in days), at))
    if errors or zone is None:
        raise ScheduleError(errors)
    return SwitchTimes(tuple(times), zone)
