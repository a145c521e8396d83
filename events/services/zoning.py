"""Which zones a box stands in: those that hold its bottom centre, where feet and wheels are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cameras.geometry import point_in_polygon
from cameras.models import Zone


@dataclass(frozen=True, slots=True)
class ZoneShape:
    """A zone's id and its points, normalised to 0-1."""

    id: int
    points: Sequence[Sequence[float]]


class Box(Protocol):
    """A box in pixels of its frame, from the top left corner."""

    @property
    def x(self) -> int: ...
    @property
    def y(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frame_width(self) -> int: ...
    @property
    def frame_height(self) -> int: ...


def enabled_zones(camera_id: str) -> list[ZoneShape]:
    """Give the camera's zones that are switched on, the one of highest priority first; one query."""
    return [ZoneShape(zone.pk, zone.coordinates) for zone in Zone.objects.enabled().for_camera(camera_id)]


def zones_of_box(zones: Iterable[ZoneShape], box: Box) -> list[int]:
    """Give the ids of the zones that hold the box's bottom centre, in the order of the zones."""
    foot = foot_of(box)
    return [zone.id for zone in zones if point_in_polygon(foot, zone.points)]


def foot_of(box: Box) -> tuple[float, float]:
    """Give the box's bottom centre, normalised to 0-1."""
    return (box.x + box.width / 2) / box.frame_width, (box.y + box.height) / box.frame_height
