"""Which times of one camera make one event. Pure: no clock, no database.

An event is a span of time with no gap over the idle timeout inside and no longer than the window. A time joins the
nearest event that it fits, the earlier of two as near; where it fits a second one too and the two fit one window,
they become one, the later goes into the earlier. Nothing is ever split.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One event's time from its first to its last detection; new ones have keys below 0."""

    started_at: datetime
    ended_at: datetime
    key: int

    @property
    def is_new(self) -> bool:
        """Tell whether no row stands for it yet."""
        return self.key < 0

    def gap_to(self, time: datetime) -> timedelta:
        """Give the time between the span and a time; nothing inside it."""
        return max(self.started_at - time, time - self.ended_at, NOTHING)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where every time goes: `group_of` each time its event's key; `spans` of new events; `merged` later to earlier."""

    group_of: dict[datetime, int] = field(default_factory=dict)
    new: dict[int, Span] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)


def earlier(time: datetime, span: timedelta) -> datetime:
    """Give a time so much earlier, or the first there is."""
    return time - span if time - FIRST_INSTANT > span else FIRST_INSTANT


def later(time: datetime, span: timedelta) -> datetime:
    """Give a time so much later, or the last there is."""
    return time + span if LAST_INSTANT - time > span else LAST_INSTANT


def plan_groups(existing: Sequence[Span], times: Iterable[datetime], *, window: timedelta, idle: timedelta) -> Plan:
    """Say for each time, earliest first, which event it joins, which events are new and which become one."""
    line = _Line(existing, window=window, idle=idle)
    joined = {time: line.join(time) for time in sorted(set(times))}
    group_of = {time: line.survivor_of(key) for time, key in joined.items()}
    return Plan(
        group_of=group_of,
        new={span.key: span for span in line.spans if span.is_new},
        merged={key: line.survivor_of(key) for key in line.went_into if key > 0},
    )


class _Line:
    """A camera's events in the order of time."""

    def __init__(self, existing: Sequence[Span], *, window: timedelta, idle: timedelta) -> None:
        self.spans = sorted(existing)
        self.went_into: dict[int, int] = {}
        self._window = window
        self._idle = idle
        self._new = 0

    def survivor_of(self, key: int) -> int:
        while key in self.went_into:
            key = self.went_into[key]
        return key

    def join(self, time: datetime) -> int:
        fitting = sorted(
            (span for span in self._near(time) if self._fits(span, time)),
            key=lambda span: (span.gap_to(time), span.is_new, span),
        )
        if not fitting:
            self._new -= 1
            insort(self.spans, Span(time, time, self._new))
            return self._new
        nearest, *others = fitting
        grown = self._replace([nearest], Span(min(nearest.started_at, time), max(nearest.ended_at, time), nearest.key))
        for other in sorted(others):
            both = self._union(grown, other)
            if both.ended_at - both.started_at <= self._window:
                self.went_into[grown.key if both.key == other.key else other.key] = both.key
                grown = self._replace([grown, other], both)
        return grown.key

    def _near(self, time: datetime) -> list[Span]:
        first = bisect_left(self.spans, earlier(time, self._window), key=lambda span: span.started_at)
        last = bisect_right(self.spans, later(time, self._idle), key=lambda span: span.started_at)
        return self.spans[first:last]

    def _fits(self, span: Span, time: datetime) -> bool:
        length = max(span.ended_at, time) - min(span.started_at, time)
        return span.gap_to(time) <= self._idle and length <= self._window

    def _union(self, one: Span, other: Span) -> Span:
        # A row that exists keeps its id rather than going into one that nobody has seen yet.
        first = min(one, other, key=lambda span: (span.is_new, span))
        return Span(min(one.started_at, other.started_at), max(one.ended_at, other.ended_at), first.key)

    def _replace(self, old: Iterable[Span], new: Span) -> Span:
        for span in old:
            del self.spans[bisect_left(self.spans, span)]
        insort(self.spans, new)
        return new
