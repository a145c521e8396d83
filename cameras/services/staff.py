"""Limiting members of staff to some cameras."""

from collections.abc import Iterable

from cameras.models import StaffCameras


def limit_staff(user_id: int, *, camera_ids: Iterable[str] | None) -> None:
    """Let the user see these cameras alone; None: all, and what belongs to no camera."""
    if camera_ids is None:
        StaffCameras.objects.unlimit(user_id)
    else:
        StaffCameras.objects.limit(user_id, camera_ids=camera_ids)
