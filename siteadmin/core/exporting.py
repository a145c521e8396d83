"""Files of rows: CSV that no spreadsheet runs, or JSON Lines."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from siteadmin.core.exceptions import InvalidInputError
from siteadmin.core.json import to_json


class ExportFormat(models.TextChoices):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"


CONTENT_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSONL: "application/jsonl; charset=utf-8",
}
EXPORT_FORMAT = OpenApiParameter("format", str, enum=ExportFormat.values, default="csv", description="What is written.")
EXPORT_RESPONSES = {(200, "text/csv"): OpenApiTypes.STR, (200, "application/jsonl"): OpenApiTypes.STR}
_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def read_form(request: Request) -> ExportFormat:
    """Read the parameter `format`; raises InvalidInputError."""
    name = request.query_params.get("format", "").strip() or ExportFormat.CSV.value
    if name not in ExportFormat.values:
        message = f"The 'format' parameter must be one of: {', '.join(ExportFormat.values)}"
        raise InvalidInputError(message, errors=[{"field": "format", "code": "invalid_choice", "detail": message}])
    return ExportFormat(name)


def answer_file(content: Iterator[bytes], *, name: str, form: ExportFormat, at: datetime) -> StreamingHttpResponse:
    """Answer with a file as it is written or read."""
    answer = StreamingHttpResponse(content, content_type=CONTENT_TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{name}-{at:%Y%m%dT%H%M%SZ}.{form}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    answer["X-Accel-Buffering"] = "no"  # a proxy in front hands it on as it comes
    return answer


def head_of(columns: Sequence[str], *, form: ExportFormat) -> bytes:
    """Give what stands above the rows."""
    return _csv_of([columns]) if form == ExportFormat.CSV else b""


def lines_of(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], form: ExportFormat) -> bytes:
    """Give these rows as they stand in the file.

    CSV is that of RFC 4180 in UTF-8, without a cell that is a formula: lists are separated by commas, objects are JSON,
    times are RFC 3339, and what is not known is empty. JSON Lines are one object a line.
    """
    if form == ExportFormat.CSV:
        return _csv_of([_cell(row[name]) for name in columns] for row in rows)
    return b"".join(to_json({name: row[name] for name in columns}) + b"\n" for row in rows)


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
    if isinstance(value, dict):
        return to_json(value).decode()
    if hasattr(value, "isoformat"):
        return to_json(value).decode().strip('"')
    return harmless(value) if isinstance(value, str) else value


def _csv_of(rows: Iterable[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()
