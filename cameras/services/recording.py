"""Writing what was taken in: snapshots with all that follows from them, one or several in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from cameras.choices import CameraStatus, SnapshotState
from cameras.ingest.clock import choose_captured_at, format_stated
from cameras.ingest.urgency import judge_urgency
from cameras.models import Camera, Snapshot
from cameras.results import IntakeOutcome, IntakeResult
from cameras.services.cameras import note_clock, note_seen
from siteadmin.core import media
from siteadmin.core.clean import clean_text
from siteadmin.core.correlation import current_request_id
from siteadmin.core.metrics import PICTURES
from siteadmin.core.pipeline import Step, dispatch_all

LONGEST_NAME = 255
SEEN_AT_MOST_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload whose bytes are in memory (a clip's are on disk)."""

    camera: Camera
    name: str
    data: bytes
    stated: datetime | None
    """What the client states; None: the name or EXIF may."""
    file_time: datetime | None
    seen_at: datetime | None
    """When the camera showed itself by it; None: now."""
    final: bool
    arrived_at: datetime | None = None
    """When it arrived; None: now."""


class Identity(NamedTuple):
    """What an upload is known by when it comes again."""

    camera_id: str
    sha256: str
    stated_at: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot whose file is stored and whose row is not written; `stated` is the time of its identity."""

    snapshot: Snapshot
    upload: Upload
    stated: datetime | None

    @property
    def identity(self) -> Identity:
        """Give what it is known by."""
        return identity_of(self.upload, sha256=self.snapshot.sha256, stated=self.stated)


class FileGoneError(Exception):
    """The file that was stored, or there already, has been removed since."""


def identity_of(upload: Upload, *, sha256: str, stated: datetime | None) -> Identity:
    """Give what the upload is known by."""
    return Identity(upload.camera.pk, sha256, format_stated(stated))


def find_known(uploads: dict[Identity, Upload]) -> dict[Identity, IntakeResult]:
    """Give the outcome of those uploads that were taken before; their cameras have shown themselves."""
    found = {Identity(*key): row for key, row in Snapshot.objects.get_by_identities(list(uploads)).items()}
    known = {
        identity: IntakeResult(IntakeOutcome.DUPLICATE, snapshot_id=pk, camera_id=identity.camera_id, reason=error)
        for identity, (pk, error) in found.items()
    }
    _note_seen([uploads[identity] for identity in known])
    return known


def record(draft: Draft) -> IntakeResult:
    """Write one snapshot, or find the one that was first."""
    try:
        return record_all([draft])[0]
    except IntegrityError:
        known = find_known({draft.identity: draft.upload})
        if draft.identity not in known:
            raise
        return known[draft.identity]


def record_all(drafts: Sequence[Draft]) -> list[IntakeResult]:
    """Write snapshots with all that follows from them, or none.

    IntegrityError where one of them was taken before, FileGoneError where retention took a file meanwhile.
    """
    if not drafts:
        return []
    for draft in drafts:
        _complete(draft)
    snapshots = [draft.snapshot for draft in drafts]
    with transaction.atomic():
        # By identity, as whoever writes the same ones at once: neither waits for a row of the other's then.
        Snapshot.objects.insert_all(sorted(snapshots, key=lambda row: (row.camera_id, row.sha256, row.stated_at)))
        if not all(media.exists(name) for name in Snapshot.objects.hold_files([row.file for row in snapshots])):
            raise FileGoneError
        _note_seen([draft.upload for draft in drafts])
        _note_clocks(drafts)
        dispatch_all(Step.DETECT, [row.pk for row in snapshots if row.state == SnapshotState.RECEIVED])
    return [_outcome_of(snapshot) for snapshot in snapshots]


def _complete(draft: Draft) -> None:
    snapshot, upload = draft.snapshot, draft.upload
    snapshot.camera, snapshot.request_id = upload.camera, current_request_id()
    snapshot.name = clean_text(upload.name)[-LONGEST_NAME:]
    snapshot.stated_at = format_stated(draft.stated)
    arrived_at = upload.arrived_at or timezone.now()
    if upload.arrived_at is not None:
        snapshot.received_at = upload.arrived_at
    snapshot.captured_at = choose_captured_at(
        stated=draft.stated,
        file_time=upload.file_time,
        zone=upload.camera.zone_info,
        arrived_at=arrived_at,
    )
    snapshot.urgency = judge_urgency(
        snapshot.trigger, captured_at=snapshot.captured_at, arrived_at=arrived_at, late_after=settings.LATE_AFTER
    )


def _outcome_of(snapshot: Snapshot) -> IntakeResult:
    PICTURES.labels(snapshot.state).inc()
    outcome = IntakeOutcome.FAILED if snapshot.state == SnapshotState.FAILED else IntakeOutcome.STORED
    return IntakeResult(outcome, snapshot_id=snapshot.pk, camera_id=snapshot.camera_id, reason=snapshot.error)


def _note_seen(uploads: Sequence[Upload]) -> None:
    """Note that cameras showed themselves; in a burst once a second, so that pictures do not queue for its row."""
    latest: dict[str, Upload] = {}
    for upload in uploads:
        other = latest.setdefault(upload.camera.pk, upload)
        if other.seen_at is not None and (upload.seen_at is None or upload.seen_at > other.seen_at):
            latest[upload.camera.pk] = upload
    for _, upload in sorted(latest.items(), key=lambda item: item[0]):  # rows are locked in one order by all
        camera = upload.camera
        is_fresh = camera.last_seen_at is not None and timezone.now() - camera.last_seen_at < SEEN_AT_MOST_EVERY
        if upload.seen_at is not None or not is_fresh or camera.status != CameraStatus.ONLINE:
            note_seen(camera.pk, seen_at=upload.seen_at)


def _note_clocks(drafts: Sequence[Draft]) -> None:
    """Note what the first picture of each camera, of several the newest, says of its clock."""
    said: dict[str, tuple[Upload, datetime]] = {}
    for draft in drafts:
        if draft.stated is not None:
            said.setdefault(draft.upload.camera.pk, (draft.upload, draft.stated))
    for _, (upload, stated) in sorted(said.items(), key=lambda item: item[0]):
        note_clock(upload.camera, stated=stated, arrived_at=upload.arrived_at or timezone.now())
