"""Polygons on a picture, normalised to 0-1 from the top left corner. Pure."""

import math
from collections.abc import Sequence
from typing import Any

Point = tuple[float, float]

LEAST_AREA = 1e-6
"""Of the picture: about one pixel of a megapixel; anything less is a line."""
MOST_POINTS = 100


class PolygonError(ValueError):
    """The points make no polygon; the text says why."""


def parse_polygon(value: Any) -> list[Point]:
    """Give the points of `[[x, y], ...]`; raises PolygonError.

    At least three points, finite and 0-1, no side crossing or touching another, an area above zero. A last point
    that repeats the first is dropped.
    """
    if not isinstance(value, list | tuple):
        raise PolygonError("Coordinates are a list of [x, y] points.")
    points = [_parse_point(item, index) for index, item in enumerate(value[: MOST_POINTS + 2])]
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) < 3:
        raise PolygonError("A zone has at least 3 points.")
    if len(points) > MOST_POINTS:
        raise PolygonError(f"A zone has at most {MOST_POINTS} points.")
    if len(set(points)) != len(points):
        raise PolygonError("A point occurs twice.")
    if _crosses_itself(points):
        raise PolygonError("The sides of a zone do not cross or touch each other.")
    if polygon_area(points) < LEAST_AREA:
        raise PolygonError("The zone has no area.")
    return points


def polygon_area(points: Sequence[Point]) -> float:
    """Give the area of a polygon that does not cross itself."""
    total = 0.0
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        total += x1 * y2 - x2 * y1
    return abs(total) / 2


def point_in_polygon(point: Point, polygon: Sequence[Sequence[float]]) -> bool:
    """Tell whether the polygon holds the point; its border belongs to it."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if _on_segment((x1, y1), (x2, y2), (x, y)):
            return True
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _parse_point(value: Any, index: int) -> Point:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PolygonError(f"Point {index} is not [x, y].")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise PolygonError(f"Point {index} is not a pair of numbers.")
        if not math.isfinite(number) or not 0 <= number <= 1:
            raise PolygonError(f"Point {index} lies outside the picture: both numbers are from 0 to 1.")
    return float(value[0]), float(value[1])


def _crosses_itself(points: Sequence[Point]) -> bool:
    count = len(points)
    sides = [(points[i], points[(i + 1) % count]) for i in range(count)]
    for i in range(count):
        for j in range(i + 1, count):
            if j == i + 1 or (i == 0 and j == count - 1):
                first, second = (sides[i], sides[j]) if j == i + 1 else (sides[j], sides[i])
                if _folds_back(first[0], first[1], second[1]):
                    return True
            elif _segments_meet(*sides[i], *sides[j]):
                return True
    return False


def _cross(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _folds_back(before: Point, corner: Point, after: Point) -> bool:
    """Tell whether two neighbouring sides lie on each other."""
    ahead = (corner[0] - before[0]) * (after[0] - corner[0]) + (corner[1] - before[1]) * (after[1] - corner[1])
    return _cross(before, corner, after) == 0 and ahead < 0


def _on_segment(a: Point, b: Point, point: Point) -> bool:
    return (
        _cross(a, b, point) == 0
        and min(a[0], b[0]) <= point[0] <= max(a[0], b[0])
        and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])
    )


def _segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    d1, d2, d3, d4 = _cross(a, b, c), _cross(a, b, d), _cross(c, d, a), _cross(c, d, b)
    if ((d1 > 0) != (d2 > 0)) and d1 != 0 and d2 != 0 and ((d3 > 0) != (d4 > 0)) and d3 != 0 and d4 != 0:
        return True
    return _on_segment(a, b, c) or _on_segment(a, b, d) or _on_segment(c, d, a) or _on_segment(c, d, b)
