"""The drawn pictures: seen by the built-in detector, the same for the same arguments."""

import numpy as np
import pytest

from events.detectors.base import Picture
from events.detectors.opencv import OpenCvDetector
from siteadmin.demo.scene import DRIVEWAY, FRONT_DOOR, HEIGHT, WIDTH, Scene, draw_picture, encode_picture


def as_jpeg(scene: Scene, *, progress: float | None) -> bytes:
    return encode_picture(draw_picture(scene, progress=progress, seed=1))


@pytest.mark.parametrize("scene", [FRONT_DOOR, DRIVEWAY], ids=["front door", "driveway"])
@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_figure_is_taken_for_one_person_where_it_stands(scene: Scene, progress: float) -> None:
    found = OpenCvDetector().detect(Picture(as_jpeg(scene, progress=progress)))

    people = [item for item in found if item.object_type == "person" and item.confidence >= 0.5]
    assert len(people) == 1
    middle = people[0].x + people[0].width / 2
    assert abs(middle - WIDTH * (0.12 + 0.76 * progress)) < 60


@pytest.mark.parametrize("scene", [FRONT_DOOR, DRIVEWAY], ids=["front door", "driveway"])
def test_the_empty_scene_holds_nobody(scene: Scene) -> None:
    found = OpenCvDetector().detect(Picture(as_jpeg(scene, progress=None)))

    assert [item for item in found if item.confidence >= 0.5] == []


def test_the_same_arguments_draw_the_same_picture_and_another_seed_another() -> None:
    first = draw_picture(FRONT_DOOR, progress=0.5, seed=1)

    assert first.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(first, draw_picture(FRONT_DOOR, progress=0.5, seed=1))
    assert not np.array_equal(first, draw_picture(FRONT_DOOR, progress=0.5, seed=2))
