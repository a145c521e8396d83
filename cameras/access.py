"""Which cameras somebody may see; every queryset is narrowed here and nowhere else."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


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

    def narrow(self, queryset: QuerySet[M], *, field: str | None = "camera_id") -> QuerySet[M]:
        """Keep the rows whose camera may be seen; without a field the rows belong to no camera."""
        if self.camera_ids is None:
            return queryset
        return queryset.none() if field is None else queryset.filter(**{f"{field}__in": self.camera_ids})


EVERYTHING = CameraAccess()


def for_request(request: Any) -> CameraAccess:
    """Give what whoever sends this request may see: a key may be limited, a member of staff sees all."""
    camera_ids = getattr(request.user, "camera_ids", None)
    return EVERYTHING if camera_ids is None else CameraAccess(frozenset(camera_ids))
