"""Which cameras somebody may see: keys by their own list, members of staff by theirs.

Everything that shows rows narrows them by this: the API and the admin by the path from a row to its camera that its
model names (`camera_path`), the dashboard and what is streamed or sent by `CameraAccess` itself. A model without such a
path belongs to no camera; its rows are hidden from whoever is limited.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet

from cameras.models import StaffCameras

Q = TypeVar("Q", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True)
class CameraAccess:
    """The ids of these cameras; None: all, and what belongs to no camera too."""

    camera_ids: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether some cameras are out of reach."""
        return self.camera_ids is not None

    def allows(self, camera_id: str) -> bool:
        """Tell whether this camera may be seen."""
        return self.camera_ids is None or camera_id in self.camera_ids

    def narrow(self, queryset: Q, *, field: str | None = "camera_id") -> Q:
        """Keep the rows whose camera may be seen; without a field the rows belong to no camera."""
        if self.camera_ids is None:
            return queryset
        return queryset.none() if field is None else queryset.filter(**{f"{field}__in": self.camera_ids})


EVERYTHING = CameraAccess()
NOTHING = CameraAccess(frozenset())


def for_request(request: Any) -> CameraAccess:
    """Give what whoever sends this request may see; nobody sees nothing."""
    return for_user(request.user)


def for_user(user: Any) -> CameraAccess:
    """Give what this user, or the principal of a key, may see.

    Costs a query for a member of staff whom the login's backend did not load, once a request. A superuser sees all.
    """
    if not user.is_authenticated:
        return NOTHING
    if user.pk is None:  # the principal of a key
        return CameraAccess(user.camera_ids)
    if user.is_superuser:
        return EVERYTHING
    if not hasattr(user, "_camera_access"):
        user._camera_access = CameraAccess(StaffCameras.objects.ids_of(user.pk))
    access: CameraAccess = user._camera_access
    return access
