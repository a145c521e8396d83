"""Reads and atomic writes of cameras, zones and snapshots."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.apps import apps
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Greatest, Now

from cameras.choices import CameraStatus, SnapshotState
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from cameras.models import Camera, Snapshot, Zone


class CameraQuerySet(RepositoryQuerySet["Camera"]):
    """Reads that chain."""

    def active(self) -> Self:
        """Leave out deleted cameras."""
        return self.filter(deleted_at=None)

    def with_latest_snapshot(self) -> Self:
        """Add `latest_snapshot_id`: the newest picture that can be shown."""
        newest = apps.get_model("cameras", "Snapshot").objects.filter(camera=OuterRef("pk")).shown()
        return self.annotate(latest_snapshot_id=Subquery(newest.order_by("-captured_at", "-id").values("pk")[:1]))


_CameraRepository = Repository.from_queryset(CameraQuerySet)


class CameraRepository(_CameraRepository["Camera"]):
    """Look-ups and writes of cameras."""

    def get_by_folder_path(self, folder_path: str) -> "Camera | None":
        """Give the camera of this folder, deleted ones included, or None."""
        return self.get_queryset().filter(folder_path=folder_path).first()

    def get_by_status(self, status: str) -> Sequence["Camera"]:
        """Give the cameras in this state."""
        return list(self.get_queryset().filter(status=status, deleted_at=None))

    def get_online_cameras(self) -> Sequence["Camera"]:
        """Give the cameras that are online."""
        return self.get_by_status(CameraStatus.ONLINE)

    def demo_created_after(self, start: datetime | None) -> Sequence["Camera"]:
        """Give the demo's cameras made after this time, or all of them."""
        cameras = self.get_queryset().filter(demo=True)
        return list(cameras if start is None else cameras.filter(created_at__gt=start))

    def update_last_seen(self, camera_id: str, *, seen_at: datetime | None = None) -> "Camera | None":
        """Note that the camera showed itself (now, if not said), never backwards, and give it back."""
        at = seen_at if seen_at is not None else Now()
        self.get_queryset().filter(pk=camera_id).update(
            last_seen_at=Greatest("last_seen_at", at), status=CameraStatus.ONLINE
        )
        return self.get_by_id(camera_id)


class ZoneQuerySet(RepositoryQuerySet["Zone"]):
    """Reads that chain."""

    def enabled(self) -> Self:
        """Leave out zones that are switched off."""
        return self.filter(enabled=True)


_ZoneRepository = Repository.from_queryset(ZoneQuerySet)


class ZoneRepository(_ZoneRepository["Zone"]):
    """Look-ups and writes of zones."""


class SnapshotQuerySet(RepositoryQuerySet["Snapshot"]):
    """Reads that chain."""

    def waiting(self) -> Self:
        """Keep what still waits for detection."""
        return self.filter(due_at__isnull=False)

    def failed(self) -> Self:
        """Keep what could not be taken in or looked at."""
        return self.filter(state=SnapshotState.FAILED)

    def shown(self) -> Self:
        """Keep what has a picture that decodes."""
        return self.exclude(width=None)


_SnapshotRepository = ClaimableRepository.from_queryset(SnapshotQuerySet)


class SnapshotRepository(_SnapshotRepository["Snapshot"]):
    """Look-ups and writes of snapshots."""

    def has_real(self) -> bool:
        """Tell whether any picture came from a camera that is not the demo's."""
        return self.get_queryset().filter(camera__demo=False).exists()

    def get_by_identity(self, *, camera_id: str, sha256: str, stated_at: str) -> "Snapshot | None":
        """Give the snapshot of this very upload, or None."""
        return self.get_queryset().filter(Q(camera_id=camera_id, sha256=sha256, stated_at=stated_at)).first()
