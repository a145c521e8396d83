"""Making, changing, deleting and restoring cameras."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from redis.exceptions import RedisError

from cameras.folders import LONGEST_NAME, slugify_folder
from cameras.ingest.clock import find_clock_fault, format_stated
from cameras.models import Camera, CameraFolder
from cameras.results import SilenceResult
from siteadmin.core import heartbeat
from siteadmin.core.audit import changing, record_created
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import (
    CameraNotFoundError,
    DuplicateResourceError,
    ProcessingError,
    ValidationError,
)
from siteadmin.core.names import clean_name
from siteadmin.core.pipeline import Step, dispatch

logger = structlog.get_logger(__name__)

_TAKEN = {
    "camera_name_unique": ("name", "A camera with this name exists already"),
    "cameras_camera_pkey": ("id", "A camera with this id exists already, perhaps a deleted one"),
    "cameras_camera_folder_path_key": ("folder_path", "A camera has this folder already, perhaps a deleted one"),
}


def find_camera(folders: Sequence[str]) -> tuple[Camera, int] | None:
    """Give the camera of a path of folders below the camera root, and how many folders are its own.

    The deepest folder that is a camera's counts, else the top one, whose name gives the id. It may be a deleted one.
    """
    paths = [storable_folder("/".join(folders[:depth])) for depth in range(1, len(folders) + 1)]
    camera = Camera.objects.get_by_deepest_folder(paths)
    if camera is not None:
        return camera, camera.folder_path.count("/") + 1
    further = CameraFolder.objects.get_deepest(paths)
    if further is not None:
        return further.camera, further.folder_path.count("/") + 1
    camera = Camera.objects.get_by_id(slugify_folder(folders[0]))
    return None if camera is None else (camera, 1)


def find_or_create_camera(folders: Sequence[str]) -> tuple[Camera, int]:
    """Give the camera of a path of folders as `find_camera` does, made of the top one if need be.

    However many processes meet a new folder at once, one camera comes of it.
    """
    found = find_camera(folders)
    if found is not None:
        return found
    camera_id = slugify_folder(folders[0])
    folder = storable_folder(folders[0])
    plain = clean_name(folders[0], limit=LONGEST_NAME) or camera_id
    for name in (plain, f"{plain[: LONGEST_NAME - len(camera_id) - 3]} ({camera_id})"):
        if Camera.objects.create_if_absent(camera_id=camera_id, name=name, folder_path=folder):
            logger.info("camera_created", camera=camera_id, folder=folder)
        camera = Camera.objects.get_by_id(camera_id) or Camera.objects.get_by_folder_path(folder)
        if camera is not None:
            return camera, 1
    raise ProcessingError(f"No camera could be made for the folder '{folder}'")


def create_camera(*, fields: dict[str, Any]) -> Camera:
    """Create a camera; the id comes from the name and the folder from the id where these are not given.

    Its folder is made, if it can be. Raises DuplicateResourceError for a taken id, name or folder, ValidationError
    for a folder that lies outside the camera root.
    """
    values = dict(fields)
    camera_id = values.pop("id", None) or slugify_folder(values["name"])
    folder = normalize_folder_path(values.pop("folder_path", None) or camera_id)
    camera = Camera(id=camera_id, folder_path=folder, **values)
    with transaction.atomic():
        with _taken_is_a_conflict(camera):
            Camera.objects.insert(camera)
        record_created(camera)
        transaction.on_commit(lambda: _make_folder(camera), robust=True)
    return camera


def update_camera(camera_id: str, *, fields: dict[str, Any], expected_version: int | None = None) -> Camera:
    """Change these fields of a camera, and nothing that another process sets; raises as `create_camera` does.

    VersionConflictError where somebody changed it since `expected_version`, CameraNotFoundError where there is none.
    """
    values = dict(fields)
    if values.pop("id", camera_id) != camera_id:
        raise _field_error("id", "A camera's id does not change")
    if "folder_path" in values:
        values["folder_path"] = normalize_folder_path(values["folder_path"])
    with transaction.atomic():
        camera = lock_camera(camera_id)
        with changing(camera, expected_version=expected_version), _taken_is_a_conflict(camera):
            for name, value in values.items():
                setattr(camera, name, value)
            Camera.objects.save_fields(camera, fields=values)
    return camera


def delete_camera(camera_id: str, *, expected_version: int | None = None) -> None:
    """Delete a camera softly: its pictures and events are hidden, what comes in its folder stays there."""
    with (
        transaction.atomic(),
        changing(lock_camera(camera_id), action="delete", expected_version=expected_version),
    ):
        if not Camera.objects.mark_deleted(camera_id):
            raise CameraNotFoundError(camera_id)


def restore_camera(camera_id: str) -> Camera:
    """Undo a deletion; restoring a camera that is not deleted changes nothing.

    Raises CameraNotFoundError, and DuplicateResourceError where its name has been given to another camera.
    """
    with transaction.atomic():
        camera = lock_camera(camera_id)
        with changing(camera, action="restore"), _taken_is_a_conflict(camera):
            Camera.objects.unmark_deleted(camera_id)
    return camera


def lock_camera(camera_id: str) -> Camera:
    """Give a camera, deleted ones included, locked until the transaction ends; raises CameraNotFoundError."""
    camera = Camera.objects.lock(camera_id)
    if camera is None:
        raise CameraNotFoundError(camera_id)
    return camera


def _make_folder(camera: Camera) -> None:
    try:
        (settings.CAMERA_ROOT / camera.folder_path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("folder_not_made", camera=camera.pk, folder=camera.folder_path, error=str(error))


def note_seen(camera_id: str, *, seen_at: datetime | None = None) -> None:
    """Note that a camera showed itself; where it was offline and is back, the rules are asked."""
    change_id = Camera.objects.note_seen(camera_id, seen_at=seen_at)
    if change_id is not None:
        logger.info("camera_back", camera=camera_id)
        dispatch(Step.EVALUATE_CAMERA, change_id)


def note_clock(camera: Camera, *, stated: datetime, arrived_at: datetime) -> None:
    """Note what is wrong with the clock that states this time, or that it is right again."""
    reason = find_clock_fault(stated, zone=camera.zone_info, arrived_at=arrived_at)
    if reason:
        fault = {"at": arrived_at.isoformat(), "stated": format_stated(stated), "reason": reason}
        Camera.objects.set_clock_fault(camera.pk, fault=fault)
    elif camera.clock_fault is not None:
        Camera.objects.set_clock_fault(camera.pk, fault=None)


def mark_silent_cameras() -> SilenceResult:
    """Set those cameras offline that have been silent for longer than they may; the rules are asked about each.

    While the folder watcher does not run nobody would hear a camera: silence counts only from its start.
    """
    try:
        life = heartbeat.watcher_life()
    except (RedisError, OSError) as error:
        logger.warning("silence_not_judged", error=str(error))
        return SilenceResult()
    if life is not None and timezone.now() - life.seen_at > heartbeat.WATCHER_SILENT:
        return SilenceResult()
    changes = Camera.objects.mark_silent(since=None if life is None else life.since)
    for change_id in changes:
        dispatch(Step.EVALUATE_CAMERA, change_id)
    return SilenceResult(went_offline=len(changes))


def normalize_folder_path(value: str) -> str:
    """Give a folder's path relative to the camera root; raises ValidationError where it leads elsewhere."""
    root: Path = settings.CAMERA_ROOT
    text = value.strip()
    try:
        # Text first, links after: neither may lead out.
        path = Path(text) if Path(text).is_absolute() else root / text
        relative = path.relative_to(root)
        if not text or not relative.parts or any(part.startswith(".") for part in relative.parts):
            raise ValueError
        path.resolve().relative_to(root.resolve())
    except (ValueError, OSError, RuntimeError) as error:
        raise _field_error("folder_path", "The folder is one below the camera root") from error
    return relative.as_posix()


def _field_error(field: str, detail: str) -> ValidationError:
    return ValidationError(f"{field}: {detail}", errors=[{"field": field, "code": "invalid", "detail": detail}])


def storable_folder(folder: str) -> str:
    """Give the path as the database can keep it; one that no encoding fits is told apart by its digest."""
    clean = clean_text(folder, limit=255)
    return clean if clean == folder else f"{clean[:180]} ({slugify_folder(folder)})"[:255]


@contextmanager
def _taken_is_a_conflict(camera: Camera) -> Iterator[None]:
    """Turn the constraint that was hit into a DuplicateResourceError that names the field."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        taken = _TAKEN.get(getattr(diagnosis, "constraint_name", None) or "")
        if taken is None:
            raise
        field, message = taken
        value = camera.pk if field == "id" else getattr(camera, field)
        raise DuplicateResourceError(message, details={"field": field, field: value}) from error
