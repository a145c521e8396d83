"""Exports that take long: written slice by slice in the background, fetched later."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from io import BytesIO

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils import timezone

from events.choices import (
    EXPORT_BATCH,
    EXPORT_KEPT,
    EXPORT_LEASE,
    EXPORT_MAX_ATTEMPTS,
    EXPORT_SLICE,
    WorkState,
)
from events.filters import EventFilter
from events.models import Event, Export
from events.results import ExportOutcome, ExportResult
from events.services.exporting import COLUMNS, place_of
from siteadmin.core import media
from siteadmin.core.audit import record_created
from siteadmin.core.clean import clean_text, describe_error
from siteadmin.core.exporting import ExportFormat, head_of, lines_of
from siteadmin.core.pagination import count_rows
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)

RETRY_BASE = timedelta(seconds=2)
REMOVED_AT_ONCE = 100


def request_export(
    events: QuerySet[Event],
    *,
    form: ExportFormat,
    parameters: Mapping[str, Sequence[str]],
    camera_ids: Sequence[str] | None,
    requested_by: str,
) -> Export:
    """Ask for a file of these events, which the parameters describe for the worker."""
    with transaction.atomic():
        export = Export.objects.create(
            Export(
                form=form,
                parameters={name: list(values) for name, values in parameters.items()},
                camera_ids=None if camera_ids is None else sorted(camera_ids),
                requested_by=requested_by,
                rows_expected=count_rows(events)[0],
                expires_at=timezone.now() + EXPORT_KEPT,
            )
        )
        record_created(export)
        dispatch(Step.EXPORT, export.pk)
    return export


def write_export(export_id: int) -> ExportResult:
    """Write the next slice of an export; safe to run any number of times at once.

    A slice is a file of its own under its claim's name, so that a worker that lost its claim writes over nothing.
    """
    token = Export.objects.claim(export_id, lease=EXPORT_LEASE)
    export = None if token is None else Export.objects.get_claimed(export_id, token=token)
    if token is None or export is None:
        return ExportResult(export_id, ExportOutcome.NOT_DUE)
    if export.attempts > EXPORT_MAX_ATTEMPTS:
        return _give_up(export, token=token, error=export.error or "Every try ended its worker")
    content, is_last = _slice_of(export)
    name = f"{_folder(export)}/{len(export.parts):06d}-{token.hex}.{export.form}"
    try:
        media.put(name, content)
    except OSError as error:
        return _retry(export, token=token, error=describe_error(error))
    export.parts.append(name)
    export.size += len(content)
    if is_last:
        done = Export.objects.finish(
            export.pk, token=token, state=WorkState.DONE, error="", finished_at=Now(),
            rows_written=export.rows_written, rows_expected=export.rows_written, parts=export.parts, size=export.size,
        )  # fmt: skip
        return ExportResult(export.pk, ExportOutcome.DONE if done else ExportOutcome.LEASE_LOST, export.rows_written)
    with transaction.atomic():
        if not Export.objects.go_on(export, token=token):
            return ExportResult(export.pk, ExportOutcome.LEASE_LOST)
        dispatch(Step.EXPORT, export.pk)
    return ExportResult(export.pk, ExportOutcome.GOES_ON, export.rows_written)


def read_export(export: Export) -> Iterator[bytes]:
    """Give the file of an export that is done, piece by piece; MediaNotFoundError where one is gone."""
    for name in export.parts:
        with media.open_file(name) as file:
            yield from file.chunks()


def revive_export(export_id: int) -> bool:
    """Make an export that failed for good wait again; False where it did not fail."""
    return Export.objects.wait_again(export_id)


def remove_expired_exports() -> int:
    """Remove exports whose time is over, files first; gives how many."""
    removed = 0
    for export in Export.objects.expired(limit=REMOVED_AT_ONCE):
        media.delete_folder(_folder(export))
        removed += Export.objects.forget(export.pk)
    return removed


def _slice_of(export: Export) -> tuple[bytes, bool]:
    """Give the next rows as they stand in the file, and whether they are the last; moves the export's place on."""
    form = ExportFormat(export.form)
    content = BytesIO()
    if not export.parts:
        content.write(head_of(COLUMNS, form=form))
    events = _events_of(export)
    for _ in range(EXPORT_SLICE // EXPORT_BATCH):
        place = None
        if export.last_started_at is not None and export.last_event is not None:
            place = export.last_started_at, export.last_event
        rows = Event.objects.export_after(events, place, limit=EXPORT_BATCH)
        if rows:
            content.write(lines_of(rows, columns=COLUMNS, form=form))
            export.rows_written += len(rows)
            export.last_started_at, export.last_event = place_of(rows[-1])
        if len(rows) < EXPORT_BATCH:
            return content.getvalue(), True
    return content.getvalue(), False


def _events_of(export: Export) -> QuerySet[Event]:
    """Give the events that the list would give to whoever asked."""
    given = QueryDict(mutable=True)
    for name, values in export.parameters.items():
        given.setlist(name, values)
    events = Event.objects.for_api()
    if export.camera_ids is not None:
        events = events.of_cameras(export.camera_ids)
    found: QuerySet[Event] = EventFilter(given, queryset=events).qs
    return found


def _retry(export: Export, *, token: uuid.UUID, error: str) -> ExportResult:
    if export.attempts >= EXPORT_MAX_ATTEMPTS:
        return _give_up(export, token=token, error=error)
    wait = backoff(export.attempts, base=RETRY_BASE)
    kept = Export.objects.postpone(export.pk, token=token, wait=wait, error=clean_text(error))
    logger.warning("export_postponed", export=export.pk, wait=wait.total_seconds(), error=error)
    return ExportResult(export.pk, ExportOutcome.POSTPONED if kept else ExportOutcome.LEASE_LOST, error=error)


def _give_up(export: Export, *, token: uuid.UUID, error: str) -> ExportResult:
    with transaction.atomic():
        if not Export.objects.finish(
            export.pk, token=token, state=WorkState.FAILED, error=clean_text(error), finished_at=Now()
        ):
            return ExportResult(export.pk, ExportOutcome.LEASE_LOST)
        attempts = min(export.attempts, EXPORT_MAX_ATTEMPTS)
        bury(Step.EXPORT, export.pk, error=error, attempts=attempts, payload={"by": export.requested_by})
    logger.warning("export_failed", export=export.pk, error=error)
    return ExportResult(export.pk, ExportOutcome.FAILED, error=error)


def _folder(export: Export) -> str:
    return f"exports/{export.pk}"
