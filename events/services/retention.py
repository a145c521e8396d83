"""Removes what is older than a camera's pictures are to be kept, rows first, files once nobody has them."""

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from cameras.models import Camera, Snapshot
from events.choices import LONGEST_RETENTION_DAYS, RETENTION_BATCH, RETENTION_RUN
from events.models import Detection, Event
from events.results import RetentionResult
from events.services.clips import frames_folder
from siteadmin.core import media
from siteadmin.core.audit import changing

logger = structlog.get_logger(__name__)


def remove_old() -> RetentionResult:
    """Remove events and pictures that arrived longer ago than their camera's retention says.

    Whole events alone: one goes when its newest detection is old enough, its pictures with it. Kept events stay
    with their pictures, and so does what still waits for detection. What one run does not reach, the next does.
    """
    until = time.monotonic() + RETENTION_RUN.total_seconds()
    events = snapshots = files = 0
    for camera in Camera.objects.get_all():
        days = settings.RETENTION_DAYS if camera.retention_days is None else camera.retention_days
        if not days:
            continue
        before = timezone.now() - timedelta(days=min(days, LONGEST_RETENTION_DAYS))
        while time.monotonic() < until:
            gone, removed = _remove_batch(camera.pk, before=before)
            events, snapshots, files = events + gone, snapshots + len(removed), files + _remove_files(removed)
            if gone < RETENTION_BATCH and len(removed) < RETENTION_BATCH:
                break
    if events or snapshots:
        logger.info("old_removed", events=events, snapshots=snapshots, files=files)
    return RetentionResult(events=events, snapshots=snapshots, files=files)


def remove_cameras(camera_ids: list[str]) -> int:
    """Remove these cameras for good, with all that came of them and their files; gives the number of files.

    For few pictures, as the demo's: all rows go in one transaction.
    """
    with transaction.atomic():
        removed = Snapshot.objects.files_of(camera_ids)
        for camera in Camera.objects.lock_many(camera_ids):
            with changing(camera, action="delete"):
                Camera.objects.delete(camera)
    return _remove_files(removed)


def _remove_batch(camera_id: str, *, before: datetime) -> tuple[int, list[tuple[int, str]]]:
    """Remove some events and snapshots; gives the number of events, and the snapshots' ids and files."""
    with transaction.atomic():
        events = Event.objects.remove_old(camera_id, before=before, limit=RETENTION_BATCH)
        removed = Snapshot.objects.remove_old(
            camera_id, before=before, unless=Detection.objects.on_snapshot(), limit=RETENTION_BATCH
        )
    return events, removed


def _remove_files(snapshots: list[tuple[int, str]]) -> int:
    """Remove the files that no snapshot has any more (the same content is one file for all), and each one's frames."""
    wanted = {name for _, name in snapshots if name}
    unused = wanted - Snapshot.objects.files_in_use(wanted)
    removed = 0
    for pk, _ in snapshots:
        try:
            removed += media.delete_folder(frames_folder(pk))
        except OSError as error:
            logger.warning("frames_not_removed", snapshot=pk, error=str(error))
    for name in unused:
        try:
            # Deleted under the lock that intake takes before it relies on a file that is there already.
            with transaction.atomic():
                if Snapshot.objects.claim_unused_file(name):
                    media.delete(name)
        except OSError as error:
            logger.warning("file_not_removed", name=name, error=str(error))
        else:
            removed += 1
    return removed
