"""Reads and writes of how far the events of renamed cameras are rewritten for the search."""

from typing import TYPE_CHECKING

from django.db import connections

from events import sql
from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from events.models import CameraSearch


class CameraSearchRepository(Repository["CameraSearch"]):
    """Look-ups and writes of progress."""

    def renamed(self) -> list[str]:
        """Give the ids of cameras whose name is not the one by which their events are found, new ones among them."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.RENAMED)
            return [row[0] for row in cursor.fetchall()]

    def begin(self, camera_ids: list[str]) -> None:
        """Have all events of these cameras rewritten for their present names."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.BEGIN_REWRITES, {"cameras": camera_ids})

    def lock_next(self) -> "CameraSearch | None":
        """Lock one camera's unfinished progress for the caller's transaction; what another holds is left to it."""
        rows = self.get_queryset().filter(written_to__isnull=False).order_by("camera_id")
        return rows.select_for_update(skip_locked=True).first()

    def write_progress(self, camera_id: str, *, written_to: int | None) -> None:
        """Note the last event that was rewritten; None: all were."""
        self.get_queryset().filter(camera_id=camera_id).update(written_to=written_to)
