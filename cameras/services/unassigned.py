"""Uploads that no camera owned: whose they are, and their way through the normal intake.

Killed anywhere, nothing is lost or doubled: a row goes only after its snapshot is written, and the snapshot's identity
tells what was taken before.
"""

from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction

from cameras.folders import LONGEST_NAME, slugify_folder
from cameras.ingest.names import read_name
from cameras.models import Camera, CameraFolder, UnassignedUpload
from cameras.results import AdmitResult, IntakeOutcome, ReleaseResult
from cameras.services.cameras import create_camera, find_camera
from cameras.services.intake import accept_stored
from siteadmin.core import media
from siteadmin.core.audit import changing, record_created, record_deleted
from siteadmin.core.exceptions import (
    CameraNotFoundError,
    DuplicateResourceError,
    InvalidStateTransitionError,
    MediaNotFoundError,
)
from siteadmin.core.names import clean_name
from siteadmin.core.pipeline import Step, dispatch

logger = structlog.get_logger(__name__)

ADMIT_LEASE = timedelta(seconds=60)
ASKED_AT_ONCE = 50
"""Messages sent right away; the sweeper asks for the rest as the workers get on."""


def assign_folder(
    upload: UnassignedUpload, *, camera_id: str | None = None, create: dict[str, Any] | None = None
) -> Camera:
    """Give the upload's folder to this camera, or to one made of it, and let all that waits in it through.

    Assigning it again to the same camera changes nothing. Raises CameraNotFoundError, and DuplicateResourceError
    where the folder is another camera's or what the new one would be called is taken.
    """
    folder = upload.folder
    if camera_id is not None:
        camera = Camera.objects.get_active(camera_id)
        if camera is None:
            raise CameraNotFoundError(camera_id)
        owned = find_camera([folder])
        owner = owned[0] if owned else _give_folder(folder, to=camera)
        if owner != camera:
            raise _is_anothers(folder, owner)
    else:
        owned = find_camera([folder])
        if owned is not None:
            raise _is_anothers(folder, owned[0])
        camera_id = slugify_folder(folder)
        plain = {"name": clean_name(folder, limit=LONGEST_NAME) or camera_id, "id": camera_id}
        camera = create_camera(fields={**plain, **(create or {}), "folder_path": folder})
    logger.info("folder_assigned", folder=folder, camera=camera.pk)
    while _release(folder=folder):
        pass
    return camera


def remove_folder(folder_id: int) -> None:
    """Take a further folder away from its camera; what comes in it waits again until somebody says whose it is."""
    with transaction.atomic():
        folder = CameraFolder.objects.lock(folder_id)
        if folder is not None:
            with changing(folder, action="delete"):
                CameraFolder.objects.delete(folder)


def release_waiting() -> ReleaseResult:
    """Set free what there is a camera for now, however that camera came to be."""
    return ReleaseResult(released=_release(folder=None))


def admit_upload(upload_id: int) -> AdmitResult:
    """Take in one upload that was set free; without a camera after all it waits on."""
    token = UnassignedUpload.objects.claim(upload_id, lease=ADMIT_LEASE)
    upload = UnassignedUpload.objects.get_by_id(upload_id)
    if token is None or upload is None:
        return AdmitResult()
    folders = [upload.folder, *upload.name.split("/")[:-1]]
    found = find_camera(folders)
    if found is None or found[0].deleted_at is not None:
        UnassignedUpload.objects.finish(upload_id, token=token)
        return AdmitResult()
    camera, depth = found
    try:
        with media.open_file(upload.file) as file:
            data = file.read()
    except MediaNotFoundError:
        logger.error("waiting_file_is_gone", folder=upload.folder, name=upload.name, file=upload.file)
        UnassignedUpload.objects.remove_claimed(upload_id, token=token)
        return AdmitResult(outcome=IntakeOutcome.GONE, camera_id=camera.pk)
    result = accept_stored(
        data,
        camera=camera,
        name="/".join([*folders, upload.name.rpartition("/")[2]][depth:]),
        file_time=upload.file_time,
        arrived_at=upload.received_at,
    )
    if UnassignedUpload.objects.remove_claimed(upload_id, token=token):
        media.delete(upload.file)
    return AdmitResult(outcome=result.outcome, snapshot_id=result.snapshot_id, camera_id=camera.pk)


def channel_of(upload: UnassignedUpload) -> int | None:
    """Give the recorder's channel that an upload's path names, or None."""
    return read_name(f"{upload.folder}/{upload.name}").channel


def discard_upload(upload: UnassignedUpload) -> None:
    """Throw a waiting upload away; InvalidStateTransitionError where it has been assigned meanwhile."""
    with transaction.atomic():
        if not UnassignedUpload.objects.remove_waiting(upload.pk):
            raise InvalidStateTransitionError("The upload has been assigned or discarded already")
        record_deleted(upload, action="discard")
        transaction.on_commit(lambda: media.delete(upload.file))


def _give_folder(folder: str, *, to: Camera) -> Camera:
    """Make the folder this camera's, unless it is somebody's; gives whose it is."""
    with transaction.atomic():
        given = CameraFolder.objects.give(folder, camera_id=to.pk)
        if given.camera == to:
            record_created(given)
        return given.camera


def _release(*, folder: str | None) -> int:
    with transaction.atomic():
        ids = UnassignedUpload.objects.release(folder=folder)
        for upload_id in ids[:ASKED_AT_ONCE]:
            dispatch(Step.ADMIT, upload_id)
    return len(ids)


def _is_anothers(folder: str, owner: Camera) -> DuplicateResourceError:
    return DuplicateResourceError(
        f"The folder is the camera '{owner.pk}' already", details={"folder": folder, "camera_id": owner.pk}
    )
