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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from io import BufferedReader
from pathlib import Path

import structlog
from django.conf import settings
from django.db import IntegrityError

from cameras.ingest.names import name_as_uploaded, read_name
from cameras.ingest.stability import Kind, kind_of
from cameras.models import Camera
from cameras.results import CAMERA_IS_DELETED, WAITS_FOR_A_CAMERA, IntakeOutcome, IntakeResult
from cameras.services.cameras import find_camera, find_or_create_camera
from cameras.services.drafting import CHANGED, draft_clip, draft_oversized, draft_upload
from cameras.services.recording import Draft, FileGoneError, Upload, find_known, identity_of, record, record_all
from cameras.services.waiting import keep_unassigned
from siteadmin.core import media

logger = structlog.get_logger(__name__)

Place = tuple[Camera, int] | None
"""A folder's camera, and how many folders are its own; None where it is no camera's."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture's file that was read; `before` is what it was then."""

    path: Path
    before: os.stat_result
    upload: Upload


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
        read = _read_below_root(path, find=_place_of, keep=keep, final=final, name=name, live=live)
    else:
        read = _read(path, root=path.parent, camera=camera, name=name or path.name, keep=keep, final=final, live=live)
    if isinstance(read, IntakeResult):
        return read
    return _settle(read, _take_in([read.upload])[0], keep=keep)


def accept_uploads(files: Sequence[tuple[Path, bool]]) -> list[IntakeResult]:
    """Take in files below CAMERA_ROOT together, each with its `final`, as `accept_upload` does; cheaper by the piece.

    They are all in memory at once. Where anything raises, any of them may have been taken in: the next try tells.
    """
    keep = settings.INGEST_KEEP_ORIGINALS
    find = cache(_place_of)  # each folder is looked up once
    reads = [_read_below_root(path, find=find, keep=keep, final=final) for path, final in files]
    pictures = [read for read in reads if isinstance(read, _Picture)]
    results = iter(_take_in([picture.upload for picture in pictures]))
    return [read if isinstance(read, IntakeResult) else _settle(read, next(results), keep=keep) for read in reads]


def accept_picture(data: bytes, *, camera: Camera, name: str, captured_at: datetime | None = None) -> IntakeResult:
    """Take in a picture that a client sent; `captured_at` (aware) is the time that the client states."""
    upload = Upload(
        camera=camera, name=name, data=data, stated=captured_at, file_time=None, seen_at=None, final=True
    )  # fmt: skip
    return _take_in([upload])[0]


def accept_stored(
    data: bytes, *, camera: Camera, name: str, file_time: datetime | None, arrived_at: datetime
) -> IntakeResult:
    """Take in a file that arrived then and waited until it was known whose it is."""
    upload = Upload(
        camera=camera,
        name=name,
        data=data,
        stated=None,
        file_time=file_time,
        seen_at=arrived_at,
        final=True,
        arrived_at=arrived_at,
    )
    return _take_in([upload])[0]


def parts_below_root(path: Path) -> tuple[str, ...]:
    """Give the parts of the path below the camera root; none for a file that lies elsewhere."""
    try:
        parts = path.absolute().relative_to(settings.CAMERA_ROOT).parts
    except ValueError:
        return ()
    return () if ".." in parts else parts


def _place_of(folders: tuple[str, ...]) -> Place:
    return find_or_create_camera(folders) if settings.AUTO_CREATE_CAMERAS else find_camera(folders)


def _read_below_root(
    path: Path,
    *,
    find: Callable[[tuple[str, ...]], Place],
    keep: bool,
    final: bool,
    name: str | None = None,
    live: bool = True,
) -> IntakeResult | _Picture:
    """Read a picture of the camera whose folder it is in; gives what became of anything else."""
    parts = parts_below_root(path)
    if len(parts) < 2:
        return IntakeResult(IntakeOutcome.IGNORED, reason="The file lies in no camera's folder.")
    camera, depth = find(parts[:-1]) or (None, 1)
    name = name or name_as_uploaded("/".join(parts[depth:]))
    return _read(path, root=settings.CAMERA_ROOT, camera=camera, name=name, keep=keep, final=final, live=live)


def _read(
    path: Path, *, root: Path, camera: Camera | None, name: str, keep: bool, final: bool, live: bool
) -> IntakeResult | _Picture:
    camera_id = None if camera is None else camera.pk
    if camera is not None and camera.deleted_at is not None:
        return IntakeResult(IntakeOutcome.IGNORED, camera_id=camera_id, reason=CAMERA_IS_DELETED)
    try:
        opened = _open_plainly(path, root=root)
    except FileNotFoundError:
        return IntakeResult(IntakeOutcome.GONE, camera_id=camera_id)
    if opened is None:
        return IntakeResult(IntakeOutcome.IGNORED, camera_id=camera_id, reason="It is a link or no plain file.")
    if kind_of(path.name) is Kind.CLIP:
        if camera is not None:
            return _accept_clip(opened, path, camera=camera, name=name, keep=keep, final=final, live=live)
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
        return _keep_for_later(path, before, data, name=name, file_time=file_time, keep=keep, final=final)
    seen_at = None if live else file_time
    upload = Upload(
        camera=camera, name=name, data=data, stated=None, file_time=file_time, seen_at=seen_at, final=final
    )  # fmt: skip
    picture = _Picture(path, before, upload)
    if len(data) > settings.MAX_UPLOAD_BYTES:
        return _settle(picture, _record(draft_oversized(upload, read_name(upload.name), path)), keep=keep)
    return picture


def _keep_for_later(
    path: Path, before: os.stat_result, data: bytes, *, name: str, file_time: datetime, keep: bool, final: bool
) -> IntakeResult:
    """Keep what is no camera's until it is."""
    if len(data) > settings.MAX_UPLOAD_BYTES:
        return IntakeResult(IntakeOutcome.IGNORED, reason=WAITS_FOR_A_CAMERA)
    folder = parts_below_root(path)[0]
    result = keep_unassigned(data, folder=folder, name=name, file_time=file_time, final=final)
    if result.settled and not keep:
        _remove(path, before)
    return result


def _settle(picture: _Picture, result: IntakeResult, *, keep: bool) -> IntakeResult:
    """Let the original go where the picture is in the database."""
    if result.settled and not keep:
        _remove(picture.path, picture.before)
    return result


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
        upload = Upload(
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


def _take_in(uploads: Sequence[Upload]) -> list[IntakeResult]:
    """Take in uploads together; where somebody was ahead with one of them, each by itself."""
    try:
        return _take_in_together(uploads)
    except (IntegrityError, FileGoneError):
        # Taken in, or its file removed by retention, between our look and our row: another look tells.
        if len(uploads) == 1:
            return _take_in_together(uploads)
        return [result for upload in uploads for result in _take_in([upload])]


def _take_in_together(uploads: Sequence[Upload]) -> list[IntakeResult]:
    """Take in all or, raising, none."""
    facts = [read_name(upload.name) for upload in uploads]
    identities = [
        identity_of(upload, sha256=hashlib.sha256(upload.data).hexdigest(), stated=upload.stated or said.stated)
        for upload, said in zip(uploads, facts, strict=True)
    ]
    # What is sent again need not be decoded again; where no time is stated so far, EXIF may state one.
    known = find_known({one: upload for one, upload in zip(identities, uploads, strict=True) if one.stated_at})
    taken = [
        known.get(one) or draft_upload(upload, said, sha256=one.sha256)
        for one, upload, said in zip(identities, uploads, facts, strict=True)
    ]
    drafts = {one.identity: one.upload for one in taken if isinstance(one, Draft)}
    known = find_known({one: upload for one, upload in drafts.items() if one not in identities or not one.stated_at})
    taken = [known.get(one.identity, one) if isinstance(one, Draft) else one for one in taken]
    recorded = iter(record_all([one for one in taken if isinstance(one, Draft)]))
    return [next(recorded) if isinstance(one, Draft) else one for one in taken]


def _take_in_clip(upload: Upload, file: BufferedReader, *, size: int) -> IntakeResult:
    """Take in a clip from a file on disk; ContentMismatchError where it changes meanwhile."""
    facts = read_name(upload.name)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    identity = identity_of(upload, sha256=sha256, stated=facts.stated)
    known = find_known({identity: upload})
    if identity in known:
        return known[identity]
    draft = draft_clip(upload, facts, file, sha256=sha256, size=size)
    return _record(draft)


def _record(draft: Draft | IntakeResult) -> IntakeResult:
    return record(draft) if isinstance(draft, Draft) else draft
