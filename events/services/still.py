"""Things that stand where they stood: the parked car, which opens no event again until it moves.

An object is still where the camera's pictures next to this one show the same type at the same place. What is still is
kept as a detection without an event. docs/detection.md has the rule.
"""

from collections.abc import Iterable, Sequence

from django.conf import settings

from cameras.models import Snapshot
from events.choices import STILL_LOOKS, STILL_OVERLAP, STILL_WITHIN
from events.models import Detection
from events.services.zoning import Box


def part_still(snapshot: Snapshot, detections: Sequence[Detection]) -> tuple[list[Detection], list[Detection]]:
    """Part a snapshot's new detections into those that may open an event and those that are still, marked so.

    Looks at the pictures before and after by the camera's own time, so that of pictures that arrive in any order one
    tells of the object. The caller holds the camera's lock, so that of two at once one sees the other.
    """
    types = {one.object_type for one in detections} & set(settings.STILL_OBJECT_TYPES)
    if not types:
        return list(detections), []
    near = Snapshot.objects.looked_at_near(snapshot, within=STILL_WITHIN, count=STILL_LOOKS)
    seen = Detection.objects.of_types_on(near, types) if near else []
    moving, still = [], []
    for one in detections:
        if any(is_same_place(one, other) for other in seen if other.object_type == one.object_type):
            one.attributes = {**one.attributes, "still": True}
            still.append(one)
        else:
            moving.append(one)
    return moving, still


def is_same_place(one: Box, other: Box) -> bool:
    """Tell whether two boxes overlap (IoU) as those of one thing do that has not moved; frames may differ in size."""
    left, top, right, bottom = _shares(one)
    left2, top2, right2, bottom2 = _shares(other)
    wide, high = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    if wide <= 0 or high <= 0:
        return False
    both = wide * high
    whole = (right - left) * (bottom - top) + (right2 - left2) * (bottom2 - top2) - both
    return both / whole >= STILL_OVERLAP


def _shares(box: Box) -> Iterable[float]:
    across, down = box.frame_width, box.frame_height
    return box.x / across, box.y / down, (box.x + box.width) / across, (box.y + box.height) / down
