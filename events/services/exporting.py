"""Writes events as CSV or JSON Lines, however many there are, in flat memory."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from events.choices import EXPORT_BATCH
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
_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_csv(events: QuerySet[Event]) -> Iterator[bytes]:
    """Give CSV (RFC 4180, UTF-8) a batch at a time, newest event first; no cell is a formula.

    Lists are separated by commas, times are RFC 3339, and what is not known is empty.
    """
    yield _csv_of([COLUMNS])
    for batch in _batches(events):
        yield _csv_of([_cell(row[name]) for name in COLUMNS] for row in batch)


def write_jsonl(events: QuerySet[Event]) -> Iterator[bytes]:
    """Give one JSON object a line, a batch at a time, newest event first."""
    for batch in _batches(events):
        lines = [json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) for row in batch]
        yield ("\n".join(lines) + "\n").encode()


def harmless(text: str) -> str:
    """Give a text that no spreadsheet runs: what would be a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_RUN) or text.lstrip().startswith(_RUN) else text


def _batches(events: QuerySet[Event]) -> Iterator[list[dict[str, Any]]]:
    """Read the events by their place, so that no transaction stays open for as long as somebody downloads."""
    rows = Event.objects.export_after(events, None, limit=EXPORT_BATCH)
    while rows:
        yield rows
        if len(rows) < EXPORT_BATCH:
            return
        last = rows[-1]
        rows = Event.objects.export_after(events, (last["started_at"], last["id"]), limit=EXPORT_BATCH)


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
