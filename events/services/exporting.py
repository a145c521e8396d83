"""Writes events as CSV or JSON Lines, however many there are, in flat memory."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from events.choices import EXPORT_BATCH, ExportFormat
from events.models import Event

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
_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_events(events: QuerySet[Event], *, form: ExportFormat) -> Iterator[bytes]:
    """Give these events as a file, a batch at a time, newest first.

    CSV is that of RFC 4180 in UTF-8, without a cell that is a formula: lists are separated by commas, times are RFC
    3339, and what is not known is empty. JSON Lines are one object a line.
    """
    yield head_of(form)
    # Read by their place, so that no transaction stays open for as long as somebody downloads.
    place: Place | None = None
    while True:
        rows = Event.objects.export_after(events, place, limit=EXPORT_BATCH)
        if rows:
            yield lines_of(rows, form=form)
        if len(rows) < EXPORT_BATCH:
            return
        place = place_of(rows[-1])


def head_of(form: ExportFormat) -> bytes:
    """Give what stands above the rows."""
    return _csv_of([COLUMNS]) if form == ExportFormat.CSV else b""


def lines_of(rows: Sequence[dict[str, Any]], *, form: ExportFormat) -> bytes:
    """Give these rows as they stand in the file."""
    if form == ExportFormat.CSV:
        return _csv_of([_cell(row[name]) for name in COLUMNS] for row in rows)
    lines = [json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def place_of(row: dict[str, Any]) -> Place:
    """Give where the rows behind this one begin."""
    return row["started_at"], row["id"]


def harmless(text: str) -> str:
    """Give a text that no spreadsheet runs: what would be a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_RUN) or text.lstrip().startswith(_RUN) else text


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return harmless(",".join(map(str, value)))
    if hasattr(value, "isoformat"):
        return DjangoJSONEncoder().default(value)
    return harmless(value) if isinstance(value, str) else value


def _csv_of(rows: Iterable[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()
