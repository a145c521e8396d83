"""Models in ONNX files, tiny ones that the tests build: they find a white rectangle, where it is, in every layout."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from events.detectors import layouts
from events.detectors.base import MOST_OBJECTS, FoundObject, Picture
from events.detectors.onnx import OnnxDetector, OnnxModel
from events.exceptions import ModelNotUsableError, PictureNotUsableError
from siteadmin.core.exceptions import DetectorUnavailableError
from tests import onnx_models as models

LAYOUTS = [
    models.yolo_v8,
    models.yolo_v5,
    models.yolo_end_to_end,
    models.rt_detr,
    models.rt_detr_of_ultralytics,
    models.rt_detr_of_paddle,
    models.rt_detr_original,
]
BOX = (200, 120, 360, 240)
"""Left, top, right, bottom."""


def picture(size: tuple[int, int] = (640, 480), box: tuple[int, int, int, int] = BOX, *, orientation: int = 1) -> bytes:
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, format="PNG", exif=exif)
    return file.getvalue()


def edges(found: FoundObject) -> tuple[int, int, int, int]:
    return found.x, found.y, found.x + found.width, found.y + found.height


def within(found: FoundObject, box: tuple[int, int, int, int], *, pixels: float) -> bool:
    return all(abs(one - other) <= pixels for one, other in zip(edges(found), box, strict=True))


@pytest.mark.parametrize("build", LAYOUTS)
def test_every_layout_gives_the_known_box_within_a_pixel(build: Callable[[Path], Path], tmp_path: Path) -> None:
    model = OnnxModel(build(tmp_path / "model.onnx"))

    (found,) = model.detect(picture())

    assert within(found, BOX, pixels=1), edges(found)
    assert (found.object_type, found.frame_width, found.frame_height) == ("car", 640, 480)
    assert found.confidence == pytest.approx(0.72 if build is models.yolo_v5 else 0.9, abs=0.01)


@pytest.mark.parametrize("build", [models.yolo_v8, models.rt_detr])
@pytest.mark.parametrize("size", [(640, 360), (360, 640), (333, 641), (1921, 1079), (64, 48)])
def test_fitting_into_the_input_is_undone_for_pictures_of_every_shape(
    build: Callable[[Path], Path], size: tuple[int, int], tmp_path: Path
) -> None:
    model = OnnxModel(build(tmp_path / "model.onnx"))
    box = (size[0] // 4, size[1] // 3, size[0] // 2, size[1] * 3 // 4)

    (found,) = model.detect(picture(size, box))

    # A pixel of the input is as many of the frame; no answer is finer.
    assert within(found, box, pixels=1 + max(size) / models.SIZE), edges(found)


def test_an_input_that_is_not_square_is_fed_as_it_is(tmp_path: Path) -> None:
    model = OnnxModel(models.yolo_v8(tmp_path / "model.onnx", size=(416, 256)))

    (found,) = model.detect(picture())

    assert within(found, BOX, pixels=3), edges(found)


def test_a_picture_turned_by_its_exif_is_looked_at_upright(tmp_path: Path) -> None:
    model = OnnxModel(models.yolo_v8(tmp_path / "model.onnx"))

    (found,) = model.detect(picture(orientation=6))

    assert (found.frame_width, found.frame_height) == (480, 640)
    assert within(found, (480 - 240, 200, 480 - 120, 360), pixels=2), edges(found)


def test_a_picture_that_does_not_decode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureNotUsableError):
        OnnxModel(models.yolo_v8(tmp_path / "model.onnx")).detect(b"no picture")


class TestLabels:
    def test_they_come_from_the_models_metadata(self, tmp_path: Path) -> None:
        names = {"names": "{0: 'Person', 1: 'garden gnome', 2: 'Cat'}", "task": "detect"}
        model = OnnxModel(models.yolo_v8(tmp_path / "model.onnx", classes=3, metadata=names))

        assert model.detect(picture())[0].object_type == "cat"

    @pytest.mark.parametrize("text", ["a\nb\nfox\n", '["a", "b", "fox"]', '{"0": "a", "2": "Fox", "1": "b"}'])
    def test_a_file_of_labels_wins(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "labels").write_text(text)
        path = models.yolo_v8(tmp_path / "model.onnx", classes=3, metadata={"names": "{0: 'x', 1: 'y', 2: 'z'}"})

        assert OnnxModel(path, labels=tmp_path / "labels").detect(picture())[0].object_type == "fox"

    def test_without_any_the_classes_are_numbered(self, tmp_path: Path) -> None:
        model = OnnxModel(models.yolo_v8(tmp_path / "model.onnx", classes=7))

        assert model.detect(picture())[0].object_type == "class_2"

    def test_as_many_as_the_model_has_classes_are_needed(self, tmp_path: Path) -> None:
        (tmp_path / "labels").write_text("one\ntwo\nthree")

        with pytest.raises(ModelNotUsableError, match="3 labels"):
            OnnxModel(models.rt_detr(tmp_path / "model.onnx"), labels=tmp_path / "labels")

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotUsableError, match="ONNX_LABELS"):
            OnnxModel(models.yolo_v8(tmp_path / "model.onnx"), labels=tmp_path / "gone")


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("answers", "found"),
        [
            ({"probabilities": np.zeros((1, 1000))}, "probabilities (1, 1000)"),
            ({"mask": np.zeros((1, 21, 8, 8))}, "mask (1, 21, 8, 8)"),
            ({"output0": np.zeros((1, 116, 400)), "output1": np.zeros((1, 32, 8, 8))}, "output1 (1, 32, 8, 8)"),
            ({"output0": np.zeros((1, 2, 3))}, "output0 (1, 2, 3)"),
        ],
    )
    def test_the_refusal_names_what_was_found_and_what_is_known(
        self, tmp_path: Path, answers: dict[str, object], found: str
    ) -> None:
        with pytest.raises(ModelNotUsableError) as refused:
            OnnxModel(models.constant_answer(tmp_path / "model.onnx", answers))

        assert found in refused.value.message
        assert "YOLOv5" in refused.value.message

    def test_a_model_for_another_task_is_refused(self, tmp_path: Path) -> None:
        path = models.yolo_v8(tmp_path / "model.onnx", metadata={"task": "segment"})

        with pytest.raises(ModelNotUsableError, match="segment"):
            OnnxModel(path)

    def test_boxes_in_a_grid_are_not_taken_for_boxes(self, tmp_path: Path) -> None:
        rows = 40 * 40 + 20 * 20 + 10 * 10

        with pytest.raises(ModelNotUsableError, match="YOLOX"):
            OnnxModel(models.yolo_v5(tmp_path / "model.onnx", rows=rows))

    @pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x09" * 100])
    def test_a_file_that_is_no_model_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "model.onnx").write_bytes(content)

        with pytest.raises(ModelNotUsableError, match="model.onnx"):
            OnnxModel(tmp_path / "model.onnx")

    def test_a_file_that_is_gone_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotUsableError, match="no file"):
            OnnxModel(tmp_path / "gone.onnx")

    def test_cuda_without_its_runtime_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotUsableError, match="onnxruntime-gpu"):
            OnnxModel(models.yolo_v8(tmp_path / "model.onnx"), device="cuda")


class TestDetector:
    def test_it_opens_the_configured_model_with_the_first_picture(self, tmp_path: Path, settings: Any) -> None:
        settings.ONNX_MODEL = models.yolo_v8(tmp_path / "model.onnx")

        assert [one.object_type for one in OnnxDetector().detect(Picture(picture()))] == ["car"]

    def test_pictures_wait_while_the_model_cannot_be_used_and_go_on_with_one_that_can(
        self, tmp_path: Path, settings: Any
    ) -> None:
        settings.ONNX_MODEL = tmp_path / "model.onnx"
        detector = OnnxDetector()

        with pytest.raises(DetectorUnavailableError, match="no file"):
            detector.detect(Picture(picture()))
        models.yolo_v8(tmp_path / "model.onnx")

        assert len(detector.detect(Picture(picture()))) == 1


class TestNoise:
    def test_what_is_not_a_number_is_left_out(self, tmp_path: Path) -> None:
        table = np.zeros((1, 300, 6))
        table[0, :5] = [10, 10, 90, 90, 0.9, 0]
        table[0, 0, 0] = table[0, 1, 4] = table[0, 2, 5] = np.nan
        table[0, 3, 2] = np.inf

        model = OnnxModel(models.constant_answer(tmp_path / "model.onnx", {"output0": table}))

        assert len(model.detect(picture((320, 320)))) == 1

    def test_doubles_of_one_class_are_one_object_and_those_of_another_are_kept(self, tmp_path: Path) -> None:
        table = np.zeros((1, 84, 400))
        for place, (x, number, score) in enumerate([(100, 0, 0.9), (103, 0, 0.8), (101, 2, 0.7), (250, 0, 0.6)]):
            table[0, :4, place] = [x, 100, 60, 80]
            table[0, 4 + number, place] = score

        found = OnnxModel(models.constant_answer(tmp_path / "m.onnx", {"output0": table})).detect(picture((320, 320)))

        assert [(one.object_type, one.confidence) for one in found] == [("person", 0.9), ("car", 0.7), ("person", 0.6)]

    def test_no_more_objects_than_a_picture_may_have(self, tmp_path: Path) -> None:
        table = np.tile([10.0, 10, 20, 20, 0.9, 0], (1, 900, 1))

        model = OnnxModel(models.constant_answer(tmp_path / "model.onnx", {"output0": table}))

        assert len(model.detect(picture((320, 320)))) == MOST_OBJECTS

    @given(
        table=arrays.arrays(np.float32, (1, 7, 40), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
        rows=st.booleans(),
    )
    def test_any_numbers_give_finite_boxes(self, table: Any, rows: bool) -> None:  # noqa: FBT001
        answer = table.transpose(0, 2, 1) if rows else table
        with np.errstate(all="ignore"):
            layout = layouts.recognise({"out": answer}, inputs=["images"], size=(64, 64), classes=3 - rows)
            boxes = layout.read({"out": answer})

        assert np.isfinite(boxes.corners).all()
        assert ((boxes.scores >= 0) & (boxes.scores <= 1)).all()
        assert (boxes.classes >= 0).all()
