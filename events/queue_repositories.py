"""Reads of the queue: events that nobody has looked at, the newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet

if TYPE_CHECKING:
    from events.repositories import EventQuerySet

Place = tuple[datetime, int]
"""Start and id of an event: its place in the queue, which stays when it was reviewed."""


def count_waiting(events: "EventQuerySet", *, levels: Sequence[str | None], up_to: int) -> int:
    """Count those of these events, of these levels, that nobody has looked at; stop at `up_to`."""
    waiting = events.unreviewed()
    return (waiting if None in levels else waiting.filter(risk_level__in=levels)).count_up_to(up_to)


def next_waiting(
    events: "EventQuerySet", *, levels: Sequence[str | None], beyond: Place | None = None, is_newer: bool = False
) -> int | None:
    """Give the id of the next of these events that nobody has looked at, of these levels (None: not scored yet).

    `beyond`: the place from which on, towards older events, or with `is_newer` towards newer ones. Each level is asked
    for its own next, which the index of unreviewed events has at hand however many were reviewed meanwhile.
    """
    waiting = events.unreviewed()
    order = ("started_at", "pk") if is_newer else ("-started_at", "-pk")
    if beyond is not None:
        started_at, last = beyond
        if is_newer:
            waiting = waiting.filter(Q(started_at__gt=started_at) | Q(started_at=started_at, pk__gt=last))
            waiting = waiting.filter(started_at__gte=started_at)  # where an index begins its walk
        else:
            waiting = waiting.filter(Q(started_at__lt=started_at) | Q(started_at=started_at, pk__lt=last))
            waiting = waiting.filter(started_at__lte=started_at)
    places: QuerySet[Any, Any] = waiting.values_list("started_at", "pk")
    first = [
        places.filter(risk_level=level) if level is not None else places.filter(risk_level__isnull=True)
        for level in levels
    ]
    found = [row for one in first for row in one.order_by(*order)[:1]]
    if not found:
        return None
    place: Place = min(found) if is_newer else max(found)
    return place[1]
