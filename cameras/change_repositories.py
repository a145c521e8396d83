"""Reads and atomic writes of cameras' changes of status."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db.models.functions import Now

from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import RepositoryQuerySet

if TYPE_CHECKING:
    from cameras.models import CameraStatusChange


class CameraStatusChangeQuerySet(RepositoryQuerySet["CameraStatusChange"]):
    """Reads that chain."""

    def for_camera(self, camera_id: str) -> Self:
        """Keep one camera's changes."""
        return self.filter(camera_id=camera_id)


_CameraStatusChangeRepository = ClaimableRepository.from_queryset(CameraStatusChangeQuerySet)


class CameraStatusChangeRepository(_CameraStatusChangeRepository["CameraStatusChange"]):
    """Look-ups and writes of status changes."""

    def hold(self, change_id: int, *, token: uuid.UUID) -> "CameraStatusChange | None":
        """Lock a claimed change for the caller's transaction, with its camera; None where the claim is lost."""
        return (
            self.get_queryset()
            .select_related("camera")
            .select_for_update(of=("self",), no_key=True)
            .filter(pk=change_id, claim_token=token)
            .first()
        )

    def for_preview(
        self, status: str, *, since: datetime, camera_ids: Iterable[str] | None, limit: int
    ) -> list["CameraStatusChange"]:
        """Give up to `limit` changes to this status since then, of cameras that are not deleted; newest first."""
        rows = self.get_queryset().filter(status=status, at__gte=since, camera__deleted_at=None)
        rows = rows if camera_ids is None else rows.filter(camera_id__in=list(camera_ids))
        return list(rows.order_by("-at", "-pk")[:limit])

    def wait_again(self, change_id: int) -> bool:
        """Make a change wait for the rules again; False where it is gone."""
        again = {"due_at": Now(), "attempts": 0, "claim_token": None, "swept_at": None}
        return bool(self.get_queryset().filter(pk=change_id).update(**again))
