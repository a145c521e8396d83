"""Limiting members of staff to some cameras."""

from collections.abc import Iterable

from django.db import transaction

from cameras.models import StaffCameras
from siteadmin.core.audit import record


def limit_staff(user_id: int, *, camera_ids: Iterable[str] | None) -> None:
    """Let the user see these cameras alone; None: all, and what belongs to no camera."""
    wanted = None if camera_ids is None else sorted(set(camera_ids))
    with transaction.atomic():
        known = StaffCameras.objects.ids_of(user_id)
        before = None if known is None else sorted(known)
        if wanted is None:
            StaffCameras.objects.unlimit(user_id)
        else:
            StaffCameras.objects.limit(user_id, camera_ids=wanted)
        if wanted != before:
            row = StaffCameras(user_id=user_id, camera_ids=wanted or [])
            record("limit_cameras", row, before={"camera_ids": before}, after={"camera_ids": wanted})
