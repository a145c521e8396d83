"""Taking pictures in: from a folder, a command or an HTTP request, all the same way.

1. The camera is that of the top folder below the camera root; an unknown folder makes one.
2. The name, else EXIF, states the time; the content is decoded whole.
3. The content goes into the storage, outside any transaction.
4. One transaction writes the snapshot (the identity's constraint tells what was taken before), notes that the camera
   showed itself, and asks for detection.
5. Only then the original goes.

Killed anywhere, the original is still there and the next try ends the same; nothing is lost or doubled.
"""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedRandom, BufferedReader, BytesIO
from pathlib import Path

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from cameras.choices import CameraStatus, MediaType, SnapshotState, TimerPictures, Trigger
from cameras.ingest.clips import HEAD_BYTES, probe_clip, suffix_of_clip
from cameras.ingest.clock import choose_captured_at, format_stated
from cameras.ingest.decode import EMPTY, UndecodableError, decode_picture
from cameras.ingest.names import NameFacts, name_as_uploaded, read_name
from cameras.ingest.stability import Kind, kind_of
from cameras.ingest.urgency import judge_urgency
from cameras.models import Camera, Snapshot
from cameras.results import CAMERA_IS_DELETED, WAITS_FOR_A_CAMERA, IntakeOutcome, IntakeResult
from cameras.services.cameras import find_camera, find_or_create_camera, note_clock, note_seen
from cameras.services.waiting import keep_unassigned
from siteadmin.core import media
from siteadmin.core.clean import clean_text
from siteadmin.core.correlation import current_request_id
from siteadmin.core.metrics import PICTURES
from siteadmin.core.pipeline import Step, dispatch

logger = structlog.get_logger(__name__)

LONGEST_NAME = 255
SEEN_AT_MOST_EVERY = timedelta(seconds=1)
CHANGED = "The file changed while it was read."


@dataclass(frozen=True, slots=True)
class _Upload:
    """One upload whose bytes are in memory."""

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


def accept_upload(
    path: Path,
    *,
    camera: Camera | None = None,
    name: str | None = None,
    keep_original: bool | None = None,
    final: bool = True,
    live: bool = True,
) -> IntakeResult:
    """Take in one file; a database or storage that fails raises and leaves the file for another try.

    Without `camera` it is that of the top folder below CAMERA_ROOT, and `name` the path below that folder.
    `keep_original`: leave the file (default: INGEST_KEEP_ORIGINALS).
    `final`: a file that does not decode has failed; otherwise it is UNDECIDED, as is one that changes meanwhile.
    `live`: the camera sends now, so that it counts as online; not so for an archive.
    """
    keep = settings.INGEST_KEEP_ORIGINALS if keep_original is None else keep_original
    if camera is None:
        parts = parts_below_root(path)
        if len(parts) < 2:
            return IntakeResult(IntakeOutcome.IGNORED, reason="The file lies in no camera's folder.")
        found = find_or_create_camera(parts[:-1]) if settings.AUTO_CREATE_CAMERAS else find_camera(parts[:-1])
        camera, depth = found or (None, 1)
        name = name or name_as_uploaded("/".join(parts[depth:]))
        folder, root = parts[0], settings.CAMERA_ROOT
    else:
        folder, root = "", path.parent
    camera_id = None if camera is None else camera.pk
    if camera is not None and camera.deleted_at is not None:
        return IntakeResult(IntakeOutcome.IGNORED, camera_id=camera.pk, reason=CAMERA_IS_DELETED)
    try:
        opened = _open_plainly(path, root=root)
    except FileNotFoundError:
        return IntakeResult(IntakeOutcome.GONE, camera_id=camera_id)
    if opened is None:
        return IntakeResult(IntakeOutcome.IGNORED, camera_id=camera_id, reason="It is a link or no plain file.")
    if kind_of(path.name) is Kind.CLIP:
        if camera is not None:
            return _accept_clip(opened, path, camera=camera, name=name or path.name, keep=keep, final=final, live=live)
        if os.fstat(opened).st_size > settings.MAX_UPLOAD_BYTES:
            os.close(opened)
            return IntakeResult(IntakeOutcome.IGNORED, reason=WAITS_FOR_A_CAMERA)
    with os.fdopen(opened, "rb") as file:
        before = os.fstat(opened)
        # One byte more than is taken, so that a file which grew meanwhile is not cut.
        data = file.read(settings.MAX_UPLOAD_BYTES + 1)
        changed = _mark(os.fstat(opened)) != _mark(before)
    if changed:
        return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=camera_id, reason=CHANGED)
    file_time = datetime.fromtimestamp(before.st_mtime, tz=UTC)
    if camera is None:
        if len(data) > settings.MAX_UPLOAD_BYTES:
            return IntakeResult(IntakeOutcome.IGNORED, reason=WAITS_FOR_A_CAMERA)
        result = keep_unassigned(data, folder=folder, name=name or path.name, file_time=file_time, final=final)
        if result.settled and not keep:
            _remove(path, before)
        return result
    upload = _Upload(
        camera=camera,
        name=name or path.name,
        data=data,
        stated=None,
        file_time=file_time,
        seen_at=None if live else file_time,
        final=final,
    )
    result = _take_in(upload) if len(data) <= settings.MAX_UPLOAD_BYTES else _keep_oversized(upload, path)
    if result.settled and not keep:
        _remove(path, before)
    return result


def accept_picture(data: bytes, *, camera: Camera, name: str, captured_at: datetime | None = None) -> IntakeResult:
    """Take in a picture that a client sent; `captured_at` (aware) is the time that the client states."""
    upload = _Upload(
        camera=camera, name=name, data=data, stated=captured_at, file_time=None, seen_at=None, final=True
    )  # fmt: skip
    return _take_in(upload)


def accept_stored(
    data: bytes, *, camera: Camera, name: str, file_time: datetime | None, arrived_at: datetime
) -> IntakeResult:
    """Take in a file that arrived then and waited until it was known whose it is."""
    upload = _Upload(
        camera=camera,
        name=name,
        data=data,
        stated=None,
        file_time=file_time,
        seen_at=arrived_at,
        final=True,
        arrived_at=arrived_at,
    )
    return _take_in(upload)


def parts_below_root(path: Path) -> tuple[str, ...]:
    """Give the parts of the path below the camera root; none for a file that lies elsewhere."""
    try:
        parts = path.absolute().relative_to(settings.CAMERA_ROOT).parts
    except ValueError:
        return ()
    return () if ".." in parts else parts


def _open_plainly(path: Path, *, root: Path) -> int | None:
    """Open a regular file that no link below the root leads to; None for anything else."""
    if path.is_symlink() or not path.parent.resolve().is_relative_to(root.resolve()):
        return None
    # A named pipe would hold us up for ever without O_NONBLOCK.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return handle


def _accept_clip(
    opened: int, path: Path, *, camera: Camera, name: str, keep: bool, final: bool, live: bool
) -> IntakeResult:
    """Take in a clip without having it in memory."""
    with os.fdopen(opened, "rb") as file:
        before = os.fstat(opened)
        file_time = datetime.fromtimestamp(before.st_mtime, tz=UTC)
        upload = _Upload(
            camera=camera,
            name=name,
            data=b"",
            stated=None,
            file_time=file_time,
            seen_at=None if live else file_time,
            final=final,
        )
        try:
            result = _take_in_clip(upload, file, size=before.st_size)
        except media.ContentMismatchError:
            return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=camera.pk, reason=CHANGED)
    if result.settled and not keep:
        _remove(path, before)
    return result


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _remove(path: Path, taken: os.stat_result) -> None:
    """Remove what was taken; a file that was overwritten meanwhile is a new picture and stays."""
    try:
        if _mark(path.lstat()) == _mark(taken):
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("original_not_removed", path=str(path), error=str(error))


class _FileGoneError(Exception):
    """The file that was stored, or there already, has been removed since."""


def _take_in(upload: _Upload) -> IntakeResult:
    try:
        return _take_in_once(upload)
    except _FileGoneError:
        return _take_in_once(upload)


def _take_in_once(upload: _Upload) -> IntakeResult:
    if kind_of(upload.name) is Kind.CLIP:
        with tempfile.TemporaryFile() as copy:
            copy.write(upload.data)
            copy.flush()
            return _take_in_clip(upload, copy, size=len(upload.data))
    facts = read_name(upload.name)
    sha256 = hashlib.sha256(upload.data).hexdigest()
    stated = upload.stated or facts.stated
    if stated is not None:
        # What is sent again need not be decoded again.
        known = _find(upload, sha256, stated)
        if known is not None:
            return known
    try:
        picture = decode_picture(upload.data)
    except UndecodableError as error:
        if not upload.final:
            return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=upload.camera.pk, reason=str(error))
        file = media.store(
            BytesIO(upload.data), sha256=sha256, suffix=_suffix(upload), prefix=settings.FAILED_ROOT_NAME
        )
        return _record_failed(upload, facts, sha256=sha256, size=len(upload.data), file=file, reason=str(error))
    snapshot = _snapshot(upload, facts, width=picture.width, height=picture.height, size=len(upload.data))
    snapshot.sha256, snapshot.file = sha256, media.store(BytesIO(upload.data), sha256=sha256, suffix=picture.suffix)
    return _record(snapshot, upload, stated or picture.exif_time)


def _take_in_clip(upload: _Upload, file: BufferedReader | BufferedRandom, *, size: int) -> IntakeResult:
    """Take in a clip from a file on disk; ContentMismatchError where it changes meanwhile."""
    facts = read_name(upload.name)
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stated = upload.stated or facts.stated
    known = _find(upload, sha256, stated)
    if known is not None:
        return known
    file.seek(0)
    suffix = suffix_of_clip(file.read(HEAD_BYTES), name=upload.name)
    try:
        if size > settings.MAX_CLIP_BYTES:
            raise UndecodableError(f"The clip is too large: at most {settings.MAX_CLIP_BYTES} bytes are taken.")
        if suffix is None:
            raise UndecodableError("The file is not a clip: MP4, MOV, MKV and AVI are taken." if size else EMPTY)
        clip = probe_clip(file)
    except UndecodableError as error:
        if not upload.final:
            return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=upload.camera.pk, reason=str(error))
        kept = media.store(file, sha256=sha256, suffix=_suffix(upload), prefix=settings.FAILED_ROOT_NAME)
        return _record_failed(upload, facts, sha256=sha256, size=size, file=kept, reason=str(error))
    snapshot = _snapshot(upload, facts, width=clip.width, height=clip.height, size=size)
    snapshot.media_type = MediaType.VIDEO
    snapshot.duration_seconds, snapshot.codec = clip.duration, clip.codec
    snapshot.sha256, snapshot.file = sha256, media.store(file, sha256=sha256, suffix=suffix)
    return _record(snapshot, upload, stated)


def _keep_oversized(upload: _Upload, path: Path) -> IntakeResult:
    limit = settings.MAX_UPLOAD_BYTES
    reason = f"The file is too large: at most {limit} bytes are taken."
    if not upload.final:
        return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=upload.camera.pk, reason=reason)
    try:
        file = media.keep_aside(path, folder=settings.FAILED_ROOT_NAME, keep_original=True)
    except media.ContentMismatchError:
        return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=upload.camera.pk, reason=CHANGED)
    return _record_failed(
        upload, read_name(upload.name), sha256=Path(file).stem, size=path.stat().st_size, file=file, reason=reason
    )


def _suffix(upload: _Upload) -> str:
    suffix = Path(upload.name).suffix.lower()
    return suffix if media.SUFFIX.fullmatch(suffix) else ".bin"


def _snapshot(upload: _Upload, facts: NameFacts, *, width: int, height: int, size: int) -> Snapshot:
    """Make the row of what was decoded, without its content."""
    skipped = facts.trigger == Trigger.TIMER and upload.camera.timer_pictures != TimerPictures.DETECT
    snapshot = Snapshot(trigger=facts.trigger, size=size, width=width, height=height)
    if skipped:
        snapshot.state, snapshot.due_at = SnapshotState.SKIPPED, None
    return snapshot


def _record_failed(
    upload: _Upload, facts: NameFacts, *, sha256: str, size: int, file: str, reason: str
) -> IntakeResult:
    logger.warning("picture_failed", camera=upload.camera.pk, name=upload.name, reason=reason)
    snapshot = Snapshot(
        trigger=facts.trigger,
        sha256=sha256,
        file=file,
        size=size,
        state=SnapshotState.FAILED,
        error=reason,
        due_at=None,
    )
    return _record(snapshot, upload, upload.stated or facts.stated)


def _record(snapshot: Snapshot, upload: _Upload, stated: datetime | None) -> IntakeResult:
    """Write the snapshot with all that follows from it, or find the one that was first."""
    camera = upload.camera
    snapshot.camera, snapshot.request_id = camera, current_request_id()
    snapshot.name = clean_text(upload.name)[-LONGEST_NAME:]
    snapshot.stated_at = format_stated(stated)
    arrived_at = upload.arrived_at or timezone.now()
    if upload.arrived_at is not None:
        snapshot.received_at = upload.arrived_at
    snapshot.captured_at = choose_captured_at(
        stated=stated,
        file_time=upload.file_time,
        zone=camera.zone_info,
        arrived_at=arrived_at,
    )
    snapshot.urgency = judge_urgency(
        snapshot.trigger, captured_at=snapshot.captured_at, arrived_at=arrived_at, late_after=settings.LATE_AFTER
    )
    try:
        with transaction.atomic():
            Snapshot.objects.insert(snapshot)
            if not media.exists(Snapshot.objects.hold_file(snapshot.file)):
                raise _FileGoneError  # retention took it between our look and our row
            _note_seen(upload)
            if stated is not None:
                note_clock(camera, stated=stated, arrived_at=arrived_at)
            if snapshot.state == SnapshotState.RECEIVED:
                dispatch(Step.DETECT, snapshot.pk)
    except IntegrityError:
        known = _find(upload, snapshot.sha256, stated)
        if known is None:
            raise
        return known
    PICTURES.labels(snapshot.state).inc()
    outcome = IntakeOutcome.FAILED if snapshot.state == SnapshotState.FAILED else IntakeOutcome.STORED
    return IntakeResult(outcome, snapshot_id=snapshot.pk, camera_id=camera.pk, reason=snapshot.error)


def _note_seen(upload: _Upload) -> None:
    """Note that the camera showed itself; in a burst once a second, so that its pictures do not queue for its row."""
    camera = upload.camera
    is_fresh = camera.last_seen_at is not None and timezone.now() - camera.last_seen_at < SEEN_AT_MOST_EVERY
    if upload.seen_at is not None or not is_fresh or camera.status != CameraStatus.ONLINE:
        note_seen(camera.pk, seen_at=upload.seen_at)


def _find(upload: _Upload, sha256: str, stated: datetime | None) -> IntakeResult | None:
    """Give the outcome of an upload that was taken before, or None."""
    known = Snapshot.objects.get_by_identity(camera_id=upload.camera.pk, sha256=sha256, stated_at=format_stated(stated))
    if known is None:
        return None
    _note_seen(upload)
    return IntakeResult(IntakeOutcome.DUPLICATE, snapshot_id=known.pk, camera_id=known.camera_id, reason=known.error)
