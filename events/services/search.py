"""Keeps events to be found by their camera's name when that changes."""

import time

import structlog
from django.db import transaction

from events.choices import REWRITE_BATCH, REWRITE_RUN
from events.models import CameraSearch, Event
from events.results import RewriteResult

logger = structlog.get_logger(__name__)


def rewrite_search() -> RewriteResult:
    """Rewrite the words of all events of cameras that were renamed, in batches; the next run continues.

    Nothing needs to be asked for: a name that differs from the one the events are found by is work to do.
    """
    until = time.monotonic() + REWRITE_RUN.total_seconds()
    for camera_id in CameraSearch.objects.renamed():
        _begin(camera_id)
    rewritten = 0
    while time.monotonic() < until:
        number = _rewrite_batch()
        if number is None:
            break
        rewritten += number
    if rewritten:
        logger.info("search_rewritten", events=rewritten)
    return RewriteResult(events=rewritten)


def _begin(camera_id: str) -> None:
    with transaction.atomic():
        # Whoever opens an event under the old name holds this lock: behind it all such events are committed,
        # and those that follow read the new name. Events that exist are locked one by one.
        Event.objects.lock_grouping(camera_id)
        CameraSearch.objects.begin([camera_id])


def _rewrite_batch() -> int | None:
    """Rewrite the next events of one camera and give their number; None where nothing is left to this run."""
    with transaction.atomic():
        progress = CameraSearch.objects.lock_next()
        if progress is None:
            return None
        after = progress.written_to or 0
        ids = Event.objects.next_of_camera(progress.camera_id, after=after, limit=REWRITE_BATCH)
        # A statement of its own, so that it reads the present name while the rows are held.
        Event.objects.write_search(ids)
        CameraSearch.objects.write_progress(
            progress.camera_id, written_to=ids[-1] if len(ids) == REWRITE_BATCH else None
        )
        return len(ids)
