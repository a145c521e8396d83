"""Reads of events for counts and files."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, DateTimeField, F, Func, IntegerField, Q, QuerySet, Value

if TYPE_CHECKING:
    from events.models import Event


class EventReports:
    """What the repository of events gives to reports."""

    def count_in_spans(
        self, events: QuerySet["Event"], *, bounds: Sequence[datetime], end: datetime
    ) -> list[tuple[int, str | None, bool, int]]:
        """Give number of the span (from 1), level, reviewed and count of these events, by their start.

        A span reaches from its bound to the next, the last to `end`. One statement, by bounds alone, so that the
        time zones of the database do not matter.
        """
        spans = Value(list(bounds), output_field=ArrayField(DateTimeField()))
        number = Func(F("started_at"), spans, function="width_bucket", output_field=IntegerField())
        rows = events.order_by().filter(started_at__gte=bounds[0], started_at__lt=end)
        counted = rows.values_list(number, "risk_level", "reviewed").annotate(number_of=Count("*"))
        return list(counted)

    def count_by_camera(self, events: QuerySet["Event"], *, since: datetime) -> list[tuple[str, str | None, int]]:
        """Count those of these events that began since then, by camera and level."""
        rows = events.filter(started_at__gte=since).order_by().values_list("camera_id", "risk_level")
        return list(rows.annotate(number=Count("pk")))

    def export_after(
        self, events: QuerySet["Event"], place: tuple[datetime, int] | None, *, limit: int
    ) -> list[dict[str, Any]]:
        """Give the next of these events, newest first, beyond the start and id of the last one."""
        rows = events.order_by("-started_at", "-id")
        if place is not None:
            started_at, last = place
            # The first condition says nothing new, but lets an index start its scan at the place.
            rows = rows.filter(Q(started_at__lt=started_at) | Q(started_at=started_at, pk__lt=last))
            rows = rows.filter(started_at__lte=started_at)
        plain = ("id", "started_at", "ended_at", "state", "risk_score", "risk_level", "scored_by", "summary")
        further = ("reasoning", "object_types", "zones", "detection_count")
        decided = ("reviewed", "reviewed_by", "reviewed_at", "notes", "kept")
        renamed = {"camera_of": F("camera_id"), "camera_name": F("camera__name")}
        found = list(rows.values(*plain, *further, *decided, **renamed)[:limit])
        for row in found:
            row["camera"], row["reviewed_by"] = row.pop("camera_of"), row["reviewed_by"] or None
        return found
