"""Zones as polygons."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cameras.geometry import PolygonError, parse_polygon, point_in_polygon, polygon_area

SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
UNIT = st.floats(0, 1, allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        {},
        [],
        [[0, 0], [1, 1]],
        [[0, 0], [1, 0], [1]],
        [[0, 0], [1, 0], ["a", 1]],
        [[0, 0], [1, 0], [True, 1]],
        [[0, 0], [1, 0], [1.01, 1]],
        [[0, 0], [1, 0], [-0.01, 1]],
        [[0, 0], [1, 0], [math.nan, 1]],
        [[0, 0], [1, 0], [math.inf, 1]],
        [[0, 0], [1, 1], [1, 0], [0, 1]],
        [[0, 0], [0.5, 0.5], [1, 1]],
        [[0, 0], [1, 0], [0.5, 0]],
        [[0, 0], [0, 0], [1, 1]],
        [[0, 0], [1, 0], [1, 1], [1, 0]],
        [[0, 0], [1, 0], [0.5, 0], [0.5, 1]],
        [[0, 0], [0, 1], [0, 0], [0, 1]],
        [[i / 200, (i % 2) / 2 + i / 1000] for i in range(150)],
    ],
)
def test_what_makes_no_polygon_is_refused(value: Any) -> None:
    with pytest.raises(PolygonError):
        parse_polygon(value)


def test_closing_point_is_dropped() -> None:
    assert len(parse_polygon([*SQUARE, SQUARE[0]])) == 4


def test_concave_polygon_is_fine() -> None:
    assert len(parse_polygon([[0, 0], [1, 0], [1, 1], [0.5, 0.2], [0, 1]])) == 5


@pytest.mark.parametrize("point", [(0.5, 0.5), (0.2, 0.5), (0.2, 0.2), (0.8, 0.8), (0.5, 0.8)])
def test_inside_and_border_belong_to_it(point: tuple[float, float]) -> None:
    assert point_in_polygon(point, SQUARE)


@pytest.mark.parametrize("point", [(0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.81), (0.1, 0.2), (0.9, 0.8)])
def test_outside_does_not(point: tuple[float, float]) -> None:
    assert not point_in_polygon(point, SQUARE)


def test_notch_of_a_concave_polygon_is_outside() -> None:
    assert not point_in_polygon((0.5, 0.9), [[0, 0], [1, 0], [1, 1], [0.5, 0.2], [0, 1]])


@given(UNIT, UNIT, UNIT, UNIT, UNIT, UNIT)
def test_centre_of_a_triangle_is_inside(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> None:
    triangle = [(ax, ay), (bx, by), (cx, cy)]
    assume(polygon_area(triangle) > 1e-3)
    assert parse_polygon([list(point) for point in triangle]) == triangle
    assert point_in_polygon(((ax + bx + cx) / 3, (ay + by + cy) / 3), triangle)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), lambda item: st.lists(item, max_size=4))
)
def test_any_json_is_a_polygon_or_refused(value: Any) -> None:
    try:
        points = parse_polygon(value)
    except PolygonError:
        return
    assert len(points) >= 3
    assert polygon_area(points) > 0
