"""What an upload becomes: a snapshot whose content is decoded and stored, outside any transaction; or why not yet."""

import tempfile
from io import BufferedRandom, BufferedReader, BytesIO
from pathlib import Path

import structlog
from django.conf import settings

from cameras.choices import MediaType, SnapshotState, TimerPictures, Trigger
from cameras.ingest.clips import HEAD_BYTES, probe_clip, suffix_of_clip
from cameras.ingest.decode import EMPTY, UndecodableError, decode_picture
from cameras.ingest.names import NameFacts
from cameras.ingest.stability import Kind, kind_of
from cameras.models import Snapshot
from cameras.results import IntakeOutcome, IntakeResult
from cameras.services.recording import Draft, Upload
from siteadmin.core import media

logger = structlog.get_logger(__name__)

CHANGED = "The file changed while it was read."


def draft_upload(upload: Upload, facts: NameFacts, *, sha256: str) -> Draft | IntakeResult:
    """Draft a picture or clip that is in memory; UNDECIDED, unless it is final, where it does not decode."""
    if kind_of(upload.name) is Kind.CLIP:
        with tempfile.TemporaryFile() as copy:
            copy.write(upload.data)
            copy.flush()
            return draft_clip(upload, facts, copy, sha256=sha256, size=len(upload.data))
    try:
        picture = decode_picture(upload.data)
    except UndecodableError as error:
        if not upload.final:
            return undecided(upload, str(error))
        file = media.store(
            BytesIO(upload.data), sha256=sha256, suffix=_suffix(upload), prefix=settings.FAILED_ROOT_NAME
        )
        return _draft_failed(upload, facts, sha256=sha256, size=len(upload.data), file=file, reason=str(error))
    snapshot = _snapshot(upload, facts, width=picture.width, height=picture.height, size=len(upload.data))
    snapshot.sha256, snapshot.file = sha256, media.store(BytesIO(upload.data), sha256=sha256, suffix=picture.suffix)
    return Draft(snapshot, upload, upload.stated or facts.stated or picture.exif_time)


def draft_clip(
    upload: Upload, facts: NameFacts, file: BufferedReader | BufferedRandom, *, sha256: str, size: int
) -> Draft | IntakeResult:
    """Draft a clip from a file on disk; ContentMismatchError where it changes meanwhile."""
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
            return undecided(upload, str(error))
        kept = media.store(file, sha256=sha256, suffix=_suffix(upload), prefix=settings.FAILED_ROOT_NAME)
        return _draft_failed(upload, facts, sha256=sha256, size=size, file=kept, reason=str(error))
    snapshot = _snapshot(upload, facts, width=clip.width, height=clip.height, size=size)
    snapshot.media_type = MediaType.VIDEO
    snapshot.duration_seconds, snapshot.codec = clip.duration, clip.codec
    snapshot.sha256, snapshot.file = sha256, media.store(file, sha256=sha256, suffix=suffix)
    return Draft(snapshot, upload, upload.stated or facts.stated)


def draft_oversized(upload: Upload, facts: NameFacts, path: Path) -> Draft | IntakeResult:
    """Draft the failure of a file that is too large to be read."""
    limit = settings.MAX_UPLOAD_BYTES
    reason = f"The file is too large: at most {limit} bytes are taken."
    if not upload.final:
        return undecided(upload, reason)
    try:
        file = media.keep_aside(path, folder=settings.FAILED_ROOT_NAME, keep_original=True)
    except media.ContentMismatchError:
        return undecided(upload, CHANGED)
    return _draft_failed(
        upload, facts, sha256=Path(file).stem, size=path.stat().st_size, file=file, reason=reason
    )  # fmt: skip


def undecided(upload: Upload, reason: str) -> IntakeResult:
    """Give the outcome of what may still be growing."""
    return IntakeResult(IntakeOutcome.UNDECIDED, camera_id=upload.camera.pk, reason=reason)


def _suffix(upload: Upload) -> str:
    suffix = Path(upload.name).suffix.lower()
    return suffix if media.SUFFIX.fullmatch(suffix) else ".bin"


def _snapshot(upload: Upload, facts: NameFacts, *, width: int, height: int, size: int) -> Snapshot:
    """Make the row of what was decoded, without its content."""
    skipped = facts.trigger == Trigger.TIMER and upload.camera.timer_pictures != TimerPictures.DETECT
    snapshot = Snapshot(trigger=facts.trigger, size=size, width=width, height=height)
    if skipped:
        snapshot.state, snapshot.due_at = SnapshotState.SKIPPED, None
    return snapshot


def _draft_failed(upload: Upload, facts: NameFacts, *, sha256: str, size: int, file: str, reason: str) -> Draft:
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
    return Draft(snapshot, upload, upload.stated or facts.stated)
