"""What of all that a detector sees counts: sure enough, neither too small nor too large, outside the masks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from cameras.geometry import point_in_polygon
from cameras.models import DetectionLimit, Mask
from events.detectors.base import FoundObject
from events.services.zoning import foot_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is asked of objects of one type; areas are shares of the picture."""

    ignored: bool
    min_confidence: float
    min_area: float
    max_area: float

    def allows(self, one: FoundObject) -> bool:
        """Tell whether the object counts."""
        area = one.width * one.height / (one.frame_width * one.frame_height)
        return not self.ignored and one.confidence >= self.min_confidence and self.min_area <= area <= self.max_area


@dataclass(frozen=True, slots=True)
class MaskShape:
    """A mask's points, normalised to 0-1, and the object types that it hides (none: all)."""

    points: Sequence[Sequence[float]]
    object_types: Sequence[str]

    def hides(self, one: FoundObject) -> bool:
        """Tell whether the object stands in the mask."""
        is_concerned = not self.object_types or one.object_type in self.object_types
        return is_concerned and point_in_polygon(foot_of(one), self.points)


def what_counts(found: Iterable[FoundObject], *, camera_id: str | None) -> list[FoundObject]:
    """Keep the objects that count on this camera (None: by the rules for every camera), in their order."""
    found = list(found)
    if not found:
        return []
    rows = list(DetectionLimit.objects.concerning(camera_id))
    limits = {name: limit_for(name, rows) for name in {one.object_type for one in found}}
    masks = [] if camera_id is None else enabled_masks(camera_id)
    return [one for one in found if limits[one.object_type].allows(one) and not any(mask.hides(one) for mask in masks)]


def limit_for(object_type: str, rows: Iterable[DetectionLimit]) -> Limit:
    """Put together what is asked of one type: each thing is said by the closest row that says it.

    Closest first: the camera's row for the type, the camera's for everything, the type's for every camera, and the
    one for everything everywhere; what none says follows the settings.
    """
    fitting = [row for row in rows if row.object_type in ("", object_type)]
    fitting.sort(key=lambda row: (row.camera_id is None, row.object_type == ""))
    return Limit(
        ignored=next((row.ignored for row in fitting if row.ignored is not None), False),
        min_confidence=next(
            (row.min_confidence for row in fitting if row.min_confidence is not None),
            settings.DETECTION_CONFIDENCE_THRESHOLD,
        ),
        min_area=next((row.min_area for row in fitting if row.min_area is not None), 0.0),
        max_area=next((row.max_area for row in fitting if row.max_area is not None), 1.0),
    )


def enabled_masks(camera_id: str) -> list[MaskShape]:
    """Give the camera's masks that are switched on; one query."""
    return [MaskShape(mask.coordinates, mask.object_types) for mask in Mask.objects.enabled().for_camera(camera_id)]
