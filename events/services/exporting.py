"""Writes events as a file, however many there are, in flat memory."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from events.choices import EXPORT_BATCH
from events.models import Event
from siteadmin.core.exporting import ExportFormat, head_of, lines_of

COLUMNS = (
    "id",
    "camera",
    "camera_name",
    "started_at",
    "ended_at",
    "state",
    "risk_score",
    "risk_level",
    "scored_by",
    "summary",
    "reasoning",
    "object_types",
    "zones",
    "detection_count",
    "reviewed",
    "reviewed_by",
    "reviewed_at",
    "notes",
    "kept",
)
Place = tuple[datetime, int]
"""Start and id of the last event that was written."""


def write_events(events: QuerySet[Event], *, form: ExportFormat) -> Iterator[bytes]:
    """Give these events as a file, a batch at a time, newest first."""
    yield head_of(COLUMNS, form=form)
    # Read by their place, so that no transaction stays open for as long as somebody downloads.
    place: Place | None = None
    while True:
        rows = Event.objects.export_after(events, place, limit=EXPORT_BATCH)
        if rows:
            yield lines_of(rows, columns=COLUMNS, form=form)
        if len(rows) < EXPORT_BATCH:
            return
        place = place_of(rows[-1])


def place_of(row: dict[str, Any]) -> Place:
    """Give where the rows behind this one begin."""
    return row["started_at"], row["id"]
