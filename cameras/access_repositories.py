"""Reads and writes of the cameras that members of staff are limited to."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from cameras.models import StaffCameras


class StaffCamerasRepository(Repository["StaffCameras"]):
    """One row a user who is limited; who has none is not."""

    def ids_of(self, user_id: int) -> frozenset[str] | None:
        """Give the ids of the cameras that this user is limited to; None: all."""
        found = self.get_queryset().filter(pk=user_id).values_list("camera_ids", flat=True).first()
        return None if found is None else frozenset(found)

    def limit(self, user_id: int, *, camera_ids: Iterable[str]) -> None:
        """Limit the user to these cameras; none of them: to nothing."""
        self.update_or_create(user_id=user_id, defaults={"camera_ids": sorted(set(camera_ids))})

    def unlimit(self, user_id: int) -> None:
        """Let the user see all cameras."""
        self.get_queryset().filter(pk=user_id).delete()

    def barred_from(self, camera_id: str) -> list[int]:
        """Give the ids of the users who may not see this camera."""
        barred = self.get_queryset().exclude(camera_ids__contains=[camera_id]).exclude(user__is_superuser=True)
        return list(barred.values_list("pk", flat=True))
