"""Reads and atomic writes of cameras, their zones, masks and limits."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import IntegrityError, connections, transaction
from django.db.models import (
    Case,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Length, Now
from django.db.models.lookups import GreaterThanOrEqual

from cameras.choices import CameraStatus
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from cameras.models import Camera, DetectionLimit, Mask, Zone


def _patience() -> Combinable:
    """How long a camera may be silent, from its row."""
    return ExpressionWrapper(F("offline_after_seconds") * Value(timedelta(seconds=1)), output_field=DurationField())


class CameraQuerySet(RepositoryQuerySet["Camera"]):
    """Reads that chain."""

    def active(self) -> Self:
        """Leave out deleted cameras."""
        return self.filter(deleted_at=None)

    def deleted(self) -> Self:
        """Keep deleted cameras alone."""
        return self.filter(deleted_at__isnull=False)

    def with_text(self, text: str) -> Self:
        """Keep those whose name or id contains the text, whatever its case."""
        return self.filter(Q(name__icontains=text) | Q(pk__icontains=text))

    def with_latest_snapshot(self) -> Self:
        """Add `latest_snapshot_id`, that of the newest whole picture, or None."""
        snapshot: Any = self.model._meta.get_field("snapshots").related_model
        newest = snapshot.objects.pictures().filter(camera=OuterRef("pk")).order_by("-captured_at", "-id")
        return self.annotate(latest_snapshot_id=Subquery(newest.values("pk")[:1]))


MARK_SILENT = """
WITH gone AS (
    UPDATE cameras_camera SET status = 'offline'
    WHERE status = 'online' AND deleted_at IS NULL
      AND GREATEST(last_seen_at, %(since)s::timestamptz) < now() - make_interval(secs => offline_after_seconds)
    RETURNING id
)
INSERT INTO cameras_camerastatuschange (camera_id, status, at, due_at, attempts)
SELECT id, 'offline', now(), now(), 0 FROM gone RETURNING id
"""

_CameraRepository = Repository.from_queryset(CameraQuerySet)


class CameraRepository(_CameraRepository["Camera"]):
    """Look-ups and writes of cameras."""

    def get_active(self, camera_id: str) -> "Camera | None":
        """Give the camera, if it is there and not deleted."""
        return self.get_queryset().filter(pk=camera_id, deleted_at=None).first()

    def get_by_folder_path(self, folder_path: str) -> "Camera | None":
        """Give the camera of this folder, deleted ones included, or None."""
        return self.get_queryset().filter(folder_path=folder_path).first()

    def demo_created_after(self, start: datetime | None) -> Sequence["Camera"]:
        """Give the demo's cameras made after this time, or all of them."""
        cameras = self.get_queryset().filter(demo=True)
        return list(cameras if start is None else cameras.filter(created_at__gt=start))

    def get_by_deepest_folder(self, folder_paths: Sequence[str]) -> "Camera | None":
        """Give the camera whose folder is the longest of these paths, deleted ones included, or None."""
        return self.get_queryset().filter(folder_path__in=folder_paths).order_by(Length("folder_path").desc()).first()

    def set_ftp_password(self, camera_id: str, *, encoded: str) -> bool:
        """Keep a camera's hashed FTP password; empty: none. False where there is no such active camera."""
        return bool(self.get_queryset().filter(pk=camera_id, deleted_at=None).update(ftp_password=encoded))

    def set_clock_fault(self, camera_id: str, *, fault: dict[str, str] | None) -> None:
        """Keep what is wrong with a camera's clock, or that nothing is."""
        self.get_queryset().filter(pk=camera_id).update(clock_fault=fault)

    def get_by_status(self, status: str) -> Sequence["Camera"]:
        """Give the cameras in this state."""
        return list(self.get_queryset().filter(status=status, deleted_at=None))

    def get_online_cameras(self) -> Sequence["Camera"]:
        """Give the cameras that are online."""
        return self.get_by_status(CameraStatus.ONLINE)

    def insert(self, camera: "Camera") -> None:
        """Write a new camera; IntegrityError where its id, folder or name is taken."""
        camera.save(force_insert=True, using=self.db)

    def create_if_absent(self, *, camera_id: str, name: str, folder_path: str) -> bool:
        """Make the camera; False where another has its id, folder or name already, which stays as it is."""
        try:
            with transaction.atomic(using=self.db):
                self.insert(self.model(id=camera_id, name=name, folder_path=folder_path))
        except IntegrityError:
            return False
        return True

    def save_fields(self, camera: "Camera", *, fields: Iterable[str]) -> None:
        """Write these fields of a camera and no other."""
        camera.save(force_update=True, update_fields=list(fields), using=self.db)

    def count_by_detector(self) -> dict[str, int]:
        """Give how many active cameras name each detector; '' is the site's."""
        named = self.get_queryset().filter(deleted_at=None).order_by().values_list("detector")
        return dict(named.annotate(number=Count("pk")))

    def count_by_status(self) -> list[tuple[str, int]]:
        """Give how many active cameras are online, offline and so on."""
        rows = self.get_queryset().filter(deleted_at=None).order_by().values_list("status")
        return list(rows.annotate(number=Count("pk")))

    def note_seen(self, camera_id: str, *, seen_at: datetime | None = None) -> int | None:
        """Note that the camera showed itself (now, if not said), never backwards; online if that is recent enough.

        Gives the id of the change where it was offline and is back: of any number who note it at once, to one.
        """
        at: Combinable = Now() if seen_at is None else Value(seen_at, output_field=DateTimeField())
        is_recent = GreaterThanOrEqual(at, Now() - _patience())
        camera = self.get_queryset().filter(pk=camera_id)
        status = Case(When(is_recent, then=Value(CameraStatus.ONLINE)), default=F("status"))
        with transaction.atomic(using=self.db):
            # The status that this row has once it is locked decides, so one of many finds it offline.
            rows = camera.filter(status=CameraStatus.OFFLINE).filter(is_recent)
            seen = camera.exclude(status=CameraStatus.OFFLINE)
            if seen.update(last_seen_at=Greatest("last_seen_at", at), status=status):
                return None
            if rows.update(last_seen_at=Greatest("last_seen_at", at), status=CameraStatus.ONLINE):
                changes: Any = self.model._meta.get_field("status_changes").related_model
                return int(changes.objects.create(camera_id=camera_id, status=CameraStatus.ONLINE).pk)
            camera.update(last_seen_at=Greatest("last_seen_at", at))
        return None

    def update_last_seen(self, camera_id: str, *, seen_at: datetime | None = None) -> "Camera | None":
        """Note that the camera showed itself (now, if not said), never backwards, and give it back."""
        self.note_seen(camera_id, seen_at=seen_at)
        return self.get_by_id(camera_id)

    def mark_silent(self, *, since: datetime | None = None) -> list[int]:
        """Set cameras offline that have been silent for longer than they may; gives the ids of these changes.

        `since`: what was before does not count, as nobody would have heard them then. One statement does it all, so
        that each change is written once, by whoever makes it.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(MARK_SILENT, {"since": since})
            return [change_id for (change_id,) in cursor.fetchall()]

    def mark_deleted(self, camera_id: str) -> bool:
        """Delete softly; False where there is no such camera or it is deleted already."""
        return bool(self.get_queryset().filter(pk=camera_id, deleted_at=None).update(deleted_at=Now()))

    def unmark_deleted(self, camera_id: str) -> bool:
        """Undo a soft deletion; False where there is nothing to undo; IntegrityError where the name is taken now."""
        return bool(self.get_queryset().filter(pk=camera_id, deleted_at__isnull=False).update(deleted_at=None))


class ZoneQuerySet(RepositoryQuerySet["Zone"]):
    """Reads that chain."""

    def enabled(self) -> Self:
        """Leave out zones that are switched off."""
        return self.filter(enabled=True)

    def for_camera(self, camera_id: str) -> Self:
        """Keep one camera's zones."""
        return self.filter(camera_id=camera_id)


_ZoneRepository = Repository.from_queryset(ZoneQuerySet)


class ZoneRepository(_ZoneRepository["Zone"]):
    """Look-ups and writes of zones."""

    def names_of_cameras(self, camera_ids: Iterable[str]) -> dict[str, dict[int, str]]:
        """Give the names of these cameras' zones, by camera and id."""
        names: dict[str, dict[int, str]] = defaultdict(dict)
        rows = self.get_queryset().filter(camera_id__in=list(camera_ids))
        for camera_id, zone_id, name in rows.values_list("camera_id", "pk", "name"):
            names[camera_id][zone_id] = name
        return names

    def insert(self, zone: "Zone") -> None:
        """Write a new zone; IntegrityError where the camera has one of this name."""
        zone.save(force_insert=True, using=self.db)


class MaskQuerySet(RepositoryQuerySet["Mask"]):
    """Reads that chain."""

    def enabled(self) -> Self:
        """Leave out masks that are switched off."""
        return self.filter(enabled=True)

    def for_camera(self, camera_id: str) -> Self:
        """Keep one camera's masks."""
        return self.filter(camera_id=camera_id)


_MaskRepository = Repository.from_queryset(MaskQuerySet)


class MaskRepository(_MaskRepository["Mask"]):
    """Look-ups and writes of masks."""

    def insert(self, mask: "Mask") -> None:
        """Write a new mask; IntegrityError where the camera has one of this name."""
        mask.save(force_insert=True, using=self.db)


class DetectionLimitQuerySet(RepositoryQuerySet["DetectionLimit"]):
    """Reads that chain."""

    def of_active_cameras(self) -> Self:
        """Leave out those of deleted cameras."""
        return self.filter(camera__deleted_at=None)

    def concerning(self, camera_id: str | None) -> Self:
        """Keep those of every camera, and of this one where it is given."""
        return self.filter(Q(camera_id=None) | Q(camera_id=camera_id))


_DetectionLimitRepository = Repository.from_queryset(DetectionLimitQuerySet)


class DetectionLimitRepository(_DetectionLimitRepository["DetectionLimit"]):
    """Look-ups and writes of detection limits."""

    def insert(self, limit: "DetectionLimit") -> None:
        """Write a new one; IntegrityError where this camera and type have one."""
        limit.save(force_insert=True, using=self.db)
