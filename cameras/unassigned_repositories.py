"""Reads and atomic writes of further folders of cameras, and of uploads that no camera owns."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q, Value
from django.db.models.functions import Concat, Length, Now

from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from cameras.models import CameraFolder, UnassignedUpload

RELEASED_AT_ONCE = 1_000
"""Uploads set free by one statement, so that no transaction is long."""


class CameraFolderRepository(Repository["CameraFolder"]):
    """Look-ups and writes of further folders."""

    def get_deepest(self, folder_paths: Sequence[str]) -> "CameraFolder | None":
        """Give the longest of these paths that is a camera's, with its camera, or None."""
        return (
            self.get_queryset()
            .filter(folder_path__in=folder_paths)
            .select_related("camera")
            .order_by(Length("folder_path").desc())
            .first()
        )

    def give(self, folder_path: str, *, camera_id: str) -> "CameraFolder":
        """Make the folder this camera's, unless it is somebody's already; gives whose it is now."""
        self.get_queryset().bulk_create(
            [self.model(folder_path=folder_path, camera_id=camera_id)], ignore_conflicts=True
        )
        return self.get_queryset().select_related("camera").get(folder_path=folder_path)


class UnassignedUploadQuerySet(RepositoryQuerySet["UnassignedUpload"]):
    """Reads that chain."""

    def waiting(self) -> Self:
        """Keep those that nobody has assigned yet."""
        return self.filter(due_at=None)

    def assignable(self) -> Self:
        """Keep those for which there is a camera now, by folder or by the id that the folder gives."""
        cameras: Any = apps.get_model("cameras", "Camera")._default_manager
        folders: Any = apps.get_model("cameras", "CameraFolder")._default_manager
        path = ExpressionWrapper(OuterRef("path"), output_field=CharField())
        below = {"path__startswith": Concat(F("folder_path"), Value("/"))}
        own = cameras.filter(deleted_at=None).annotate(path=path)
        further = folders.filter(camera__deleted_at=None).annotate(path=path)
        return self.annotate(path=Concat("folder", Value("/"), "name")).filter(
            Exists(own.filter(**below)) | Exists(own.filter(Q(pk=OuterRef("slug")))) | Exists(further.filter(**below))
        )


_UnassignedUploadRepository = ClaimableRepository.from_queryset(UnassignedUploadQuerySet)


class UnassignedUploadRepository(_UnassignedUploadRepository["UnassignedUpload"]):
    """Look-ups and writes of uploads that no camera owns."""

    def insert_if_absent(self, upload: "UnassignedUpload") -> "UnassignedUpload":
        """Write a new one by one statement; gives it, or the one that was first."""
        self.get_queryset().bulk_create([upload], ignore_conflicts=True)
        return self.get_queryset().get(folder=upload.folder, name=upload.name, sha256=upload.sha256)

    def get_waiting(self, upload_id: int) -> "UnassignedUpload | None":
        """Give an upload that nobody has assigned, or None."""
        return self.waiting().filter(pk=upload_id).first()

    def release(self, *, folder: str | None = None) -> list[int]:
        """Set free what there is a camera for now (of one folder), a share at a time; gives the ids."""
        rows = self.waiting().assignable()
        if folder is not None:
            rows = rows.filter(folder=folder)
        locked = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",), no_key=True)
        ids = list(locked.values_list("pk", flat=True)[:RELEASED_AT_ONCE])
        self.get_queryset().filter(pk__in=ids).update(due_at=Now(), swept_at=None, attempts=0)
        return ids

    def remove_claimed(self, upload_id: int, *, token: uuid.UUID) -> bool:
        """Delete a row whose claim is still ours; False where the lease was lost."""
        return bool(self.get_queryset().filter(pk=upload_id, claim_token=token).delete()[0])

    def remove_waiting(self, upload_id: int) -> bool:
        """Delete a row that nobody has assigned; False for any other."""
        return bool(self.get_queryset().filter(pk=upload_id, due_at=None).delete()[0])
