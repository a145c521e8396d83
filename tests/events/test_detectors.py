"""OpenCV's people detector on pictures that the tests draw."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from events.checks import check_detector_models
from events.detectors import registry
from events.detectors.base import FoundObject, Picture
from events.detectors.opencv import OpenCvDetector, confidence_of
from events.exceptions import PictureNotUsableError
from siteadmin.demo.scene import FRONT_DOOR, HEIGHT, WIDTH, draw_picture
from tests.fakes.detectors import InstantDetector
from tests.onnx_models import yolo_v8

detector = OpenCvDetector()


def jpeg(pixels: Any) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def walk(progress: float | None, *, seed: int = 1) -> Any:
    return draw_picture(FRONT_DOOR, progress=progress, seed=seed)


def sure(found: list[FoundObject]) -> list[FoundObject]:
    return [one for one in found if one.confidence >= 0.5]


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_walking_figure_is_found_where_it_is(progress: float) -> None:
    (person,) = sure(detector.detect(Picture(jpeg(walk(progress)))))

    assert person.object_type == "person"
    assert person.confidence > 0.9
    assert person.x < WIDTH * (0.12 + 0.76 * progress) < person.x + person.width
    assert abs(person.y + person.height - (HEIGHT - 60)) < 30, "the box ends at the feet"
    assert (person.frame_width, person.frame_height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_empty_scene_holds_nobody(seed: int) -> None:
    assert sure(detector.detect(Picture(jpeg(walk(None, seed=seed))))) == []


def test_somebody_who_has_left_is_not_seen_although_the_picture_changed() -> None:
    assert sure(detector.detect(Picture(jpeg(walk(None)), before=jpeg(walk(0.5))))) == []


@pytest.mark.parametrize("factor", [0.8, 2, 3])
def test_boxes_are_in_the_pictures_own_pixels_whatever_its_size(factor: float) -> None:
    picture = cv2.resize(walk(0.5), None, fx=factor, fy=factor)

    (person,) = sure(detector.detect(Picture(jpeg(picture))))

    assert (person.frame_width, person.frame_height) == (picture.shape[1], picture.shape[0])
    assert abs(person.y + person.height - (HEIGHT - 60) * factor) < 40 * factor
    assert person.x < WIDTH / 2 * factor < person.x + person.width


def test_boxes_lie_within_the_picture() -> None:
    cut = walk(0.5)[:, WIDTH // 2 - 60 :]

    for person in detector.detect(Picture(jpeg(cut))):
        assert person.x >= 0
        assert person.x + person.width <= person.frame_width
        assert person.y + person.height <= person.frame_height


def test_a_picture_turned_by_its_exif_is_looked_at_upright() -> None:
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(walk(0.5))[:, :, ::-1]))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    file = io.BytesIO()
    lying.save(file, "JPEG", exif=exif)

    (person,) = sure(detector.detect(Picture(file.getvalue())))

    assert (person.frame_width, person.frame_height) == (WIDTH, HEIGHT)


def test_motion_since_the_picture_before_is_told_and_makes_nobody_surer() -> None:
    now = jpeg(walk(0.5))

    (still,) = sure(detector.detect(Picture(now, before=now)))
    (moving,) = sure(detector.detect(Picture(now, before=jpeg(walk(None)))))

    assert still.attributes["motion"] == 0
    assert moving.attributes["motion"] > 0.5
    assert moving.confidence == still.confidence


def test_a_brighter_picture_is_no_motion() -> None:
    brighter = np.clip(walk(0.5).astype(np.int16) + 40, 0, 255).astype(np.uint8)

    (person,) = sure(detector.detect(Picture(jpeg(brighter), before=jpeg(walk(0.5)))))

    assert person.attributes["motion"] < 0.1


@pytest.mark.parametrize("before", [b"", b"no picture", jpeg(np.zeros((90, 400, 3), np.uint8))])
def test_a_picture_before_that_cannot_be_compared_does_no_harm(before: bytes) -> None:
    (person,) = sure(detector.detect(Picture(jpeg(walk(0.5)), before=before)))

    assert "motion" not in person.attributes


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_kind_of_pixels_is_taken(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (320, 240)).save(file, "TIFF")

    assert detector.detect(Picture(file.getvalue())) == []


@pytest.mark.parametrize("size", [(1, 1), (63, 300), (300, 20)])
def test_a_tiny_picture_holds_nobody(size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")

    assert detector.detect(Picture(file.getvalue())) == []


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg(walk(0.5))[:9000]])
def test_what_does_not_decode_is_refused_for_good(data: bytes) -> None:
    with pytest.raises(PictureNotUsableError):
        detector.detect(Picture(data))


def test_a_picture_over_the_pixel_limit_is_refused(settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 1000

    with pytest.raises(PictureNotUsableError, match="more than 1000 pixels"):
        detector.detect(Picture(jpeg(walk(0.5))))


@given(st.floats(min_value=-20, max_value=20), st.floats(min_value=0, max_value=20))
def test_confidence_is_0_to_1_and_grows_with_the_weight(weight: float, more: float) -> None:
    assert 0 <= confidence_of(weight) <= confidence_of(weight + more) <= 1


def test_a_detector_is_chosen_by_name_or_by_dotted_path(settings: Any) -> None:
    settings.DETECTOR = "opencv"
    assert isinstance(registry.get_detector(), OpenCvDetector)

    settings.DETECTOR = "tests.fakes.detectors.InstantDetector"
    assert isinstance(registry.get_detector(), InstantDetector)


@pytest.mark.parametrize("name", ["yolo", "", "tests.nowhere.Detector", "datetime.datetime"])
def test_a_detector_that_does_not_exist_stops_the_start(settings: Any, name: str) -> None:
    settings.DETECTOR = name

    with pytest.raises(ImproperlyConfigured, match="DETECTOR"):
        registry.check_setting()


@pytest.mark.parametrize(("name", "needed"), [("onnx", "ONNX_MODEL"), ("http", "DETECTOR_URL")])
def test_a_detector_of_ours_without_its_setting_is_refused_by_name(settings: Any, name: str, needed: str) -> None:
    settings.DETECTOR = name

    with pytest.raises(ImproperlyConfigured, match=needed):
        registry.check_setting()


def test_the_check_at_start_names_what_is_wrong_with_the_model(settings: Any, tmp_path: Path) -> None:
    settings.ONNX_MODEL = tmp_path / "model.onnx"
    assert [error.id for error in check_detector_models()] == ["events.E001"]

    yolo_v8(settings.ONNX_MODEL)
    assert check_detector_models() == []
