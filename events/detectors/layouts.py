"""What the outputs of detection models mean: recognised from their names and shapes, read into plain boxes. Pure.

Sources: the exporters of Ultralytics (YOLOv5, v8, 11, YOLOv10 and 26, RT-DETR), Hugging Face transformers (RT-DETR),
RT-DETR's own repository and PaddleDetection. docs/detection.md has the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from events.detectors.base import LEAST_CONFIDENCE, MOST_OBJECTS
from events.exceptions import ModelNotUsableError

Array = npt.NDArray[np.float32]

SAME_OBJECT = 0.45
"""Overlap (IoU) from which on two boxes of one type are one object, as YOLO's own tools have it."""
MOST_CANDIDATES = 3000
"""Boxes that are compared with each other; the surest are taken."""
MOST_ROWS_END_TO_END = 1000
"""Models that sort out doubles themselves give 100 to 300 rows; those that do not, thousands."""
NORMALISED_BELOW = 2.0
"""Boxes from 0 to 1 may reach a little beyond; in pixels no model's boxes all stay below this."""
SUPPORTED = (
    "YOLOv5, v8 and 11: (1, 4+classes, N) or (1, N, 5+classes); YOLOv10 and 26: (1, N, 6); RT-DETR: boxes and logits, "
    "labels, boxes and scores, (1, N, 4+classes), or PaddleDetection's (N, 6) with scale_factor"
)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes as left, top, right, bottom, with the class number and confidence 0-1 of each, surest first."""

    corners: Array
    classes: npt.NDArray[np.int64]
    scores: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one model is fed and read.

    `letterbox`: the picture is fitted with borders, else stretched. `space`: what its boxes are measured in, `input`
    pixels, `frame` pixels, or `unit` (0-1 of the input).
    """

    name: str
    read: Callable[[Mapping[str, Any]], Boxes]
    classes: int | None
    letterbox: bool
    space: str = "input"


def recognise(
    outputs: Mapping[str, npt.NDArray[Any]], *, inputs: Sequence[str], size: tuple[int, int], classes: int | None
) -> Layout:
    """Give the layout of a model from what it answered to one picture; `classes` where the labels are known.

    `size` is its input's width and height. ModelNotUsableError, naming what was found, for any other kind.
    """
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    layout = (
        _original_detr(arrays)
        or _logits_and_boxes(arrays)
        or _paddle(arrays, inputs=inputs)
        or _single(arrays, size=size, classes=classes)
    )
    if layout is None:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ModelNotUsableError(f"The model's outputs are those of no detector we know: {found}. Known: {SUPPORTED}")
    if classes is not None and layout.classes is not None and classes != layout.classes:
        raise ModelNotUsableError(f"There are {classes} labels, and the model ({layout.name}) has {layout.classes}")
    return layout


def keep_best(boxes: Boxes, *, doubles: bool) -> Boxes:
    """Leave out what is not finite, empty or not sure at all, and doubles where the model leaves them to us."""
    corners, scores = boxes.corners, boxes.scores
    with np.errstate(invalid="ignore"):
        good = np.isfinite(corners).all(axis=1) & (scores >= LEAST_CONFIDENCE)  # NaN is not
        good &= (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1]) & (boxes.classes >= 0)
    corners, scores, classes = corners[good], np.minimum(scores[good], 1.0), boxes.classes[good]
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    corners, scores, classes = corners[order], scores[order], classes[order]
    kept = (_without_doubles(corners, classes) if doubles else np.arange(len(scores)))[:MOST_OBJECTS]
    return Boxes(corners[kept], classes[kept], scores[kept])


def _without_doubles(corners: Array, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the places of boxes, surest first, that overlap no surer one of their class."""
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    rest = np.arange(len(corners))
    kept: list[int] = []
    while len(rest) and len(kept) < MOST_OBJECTS:
        best, others = rest[0], rest[1:]
        kept.append(int(best))
        wide = np.minimum(corners[best, 2], corners[others, 2]) - np.maximum(corners[best, 0], corners[others, 0])
        high = np.minimum(corners[best, 3], corners[others, 3]) - np.maximum(corners[best, 1], corners[others, 1])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        same = (shared / (areas[best] + areas[others] - shared) > SAME_OBJECT) & (classes[others] == classes[best])
        rest = others[~same]
    return np.asarray(kept, dtype=np.int64)


def _original_detr(arrays: Mapping[str, Any]) -> Layout | None:
    """RT-DETR's own export: labels, boxes (corners in pixels of the frame whose size was given) and scores."""
    if not {"labels", "boxes", "scores"} <= set(arrays) or arrays["boxes"].shape[-1:] != (4,):
        return None

    def read(outputs: Mapping[str, Any]) -> Boxes:
        return keep_best(
            Boxes(
                _rows(outputs["boxes"], 4),
                np.asarray(outputs["labels"], dtype=np.int64).ravel(),
                _float(outputs["scores"]).ravel(),
            ),
            doubles=False,
        )

    return Layout(name="RT-DETR", read=read, classes=None, letterbox=False, space="frame")


def _logits_and_boxes(arrays: Mapping[str, Any]) -> Layout | None:
    """RT-DETR of transformers: two outputs, boxes (centre and size, 0-1) and a value for each class."""
    if len(arrays) < 2:
        return None
    fours = [name for name, array in arrays.items() if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] == 4]
    boxes = next((name for name in fours if "box" in name.lower()), fours[0] if len(fours) == 1 else None)
    if boxes is None:
        return None
    rows = arrays[boxes].shape[1]
    fitting = [
        name
        for name, array in arrays.items()
        if name != boxes and array.ndim == 3 and array.shape[:2] == (1, rows) and array.shape[2] >= 1
    ]
    values = next((name for name in fitting if "logit" in name.lower() or "score" in name.lower()), None)
    if values is None and len(arrays) == 2 and fitting:
        values = fitting[0]
    if values is None:
        return None
    values_name, boxes_name, number = values, boxes, int(arrays[values].shape[2])

    def read(outputs: Mapping[str, Any]) -> Boxes:
        raw = _rows(outputs[values_name], number)
        finite = raw[np.isfinite(raw)]
        is_share = "logit" not in values_name.lower() and bool(((finite >= 0) & (finite <= 1)).all())
        scores, numbers = _best_class(raw if is_share else _sigmoid(raw))
        return keep_best(Boxes(_corners(_rows(outputs[boxes_name], 4)), numbers, scores), doubles=False)

    return Layout(name="RT-DETR", read=read, classes=number, letterbox=False, space="unit")


def _paddle(arrays: Mapping[str, Any], *, inputs: Sequence[str]) -> Layout | None:
    """PaddleDetection's export: rows of class, score and corners in pixels of the frame, by `scale_factor`."""
    if "scale_factor" not in inputs:
        return None
    name = next((name for name, array in arrays.items() if array.ndim == 2 and array.shape[1] == 6), None)
    if name is None:
        return None
    rows_name = name

    def read(outputs: Mapping[str, Any]) -> Boxes:
        rows = _rows(outputs[rows_name], 6)
        return keep_best(Boxes(rows[:, 2:], _whole(rows[:, 0]), rows[:, 1]), doubles=False)

    return Layout(name="PaddleDetection", read=read, classes=None, letterbox=False, space="frame")


def _single(arrays: Mapping[str, Any], *, size: tuple[int, int], classes: int | None) -> Layout | None:
    """Models with one output of three dimensions: the YOLO family, and RT-DETR as Ultralytics exports it."""
    if len(arrays) != 1:
        return None
    ((name, array),) = arrays.items()
    if array.ndim != 3 or array.shape[0] != 1:
        return None
    _, first, second = array.shape
    known = classes or 80
    if second == 6 and first <= MOST_ROWS_END_TO_END and not (classes == 2 and not _numbers_last(array)):
        return Layout(name="YOLO end to end", read=_reader(name, _end_to_end, 6), classes=None, letterbox=True)
    if first == 4 + known:
        return _columns(name, first)
    if second == 5 + known:
        return _objectness(name, first, second, size=size)
    if second == 4 + known:
        return _rows_of_classes(name, second, array)
    if classes is None and 5 <= first < second:
        return _columns(name, first)
    if classes is None and 6 <= second < first:
        return _objectness(name, first, second, size=size)
    return None


def _numbers_last(array: npt.NDArray[Any]) -> bool:
    """Tell whether the last column can be class numbers; with two classes it might be confidences as well."""
    last = _float(array)[0, :, 5]
    return bool((last == np.round(last)).all())


def _columns(name: str, attributes: int) -> Layout:
    """YOLOv8 and 11: a column a box, with centre, size and a confidence for each class."""

    def read(outputs: Mapping[str, Any]) -> Boxes:
        return _centred(_float(outputs[name])[0].T, doubles=True)

    return Layout(name="YOLOv8", read=read, classes=attributes - 4, letterbox=True)


def _objectness(name: str, rows: int, attributes: int, *, size: tuple[int, int]) -> Layout:
    """YOLOv5: a row a box, with centre, size, objectness and a confidence for each class."""
    if rows == sum((size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32)):
        raise ModelNotUsableError("The model's boxes are offsets in a grid (YOLOX), which is not supported")

    def read(outputs: Mapping[str, Any]) -> Boxes:
        table = _rows(outputs[name], attributes)
        return _centred(np.hstack([table[:, :4], table[:, 5:] * table[:, 4:5]]), doubles=True)

    return Layout(name="YOLOv5", read=read, classes=attributes - 5, letterbox=True)


def _rows_of_classes(name: str, attributes: int, sample: npt.NDArray[Any]) -> Layout:
    """RT-DETR of Ultralytics (0-1 of the stretched input), or YOLOv8 with rows and columns exchanged (pixels)."""
    boxes = np.asarray(sample, dtype=np.float32)[0, :, :4]
    is_unit = bool((boxes[np.isfinite(boxes)] <= NORMALISED_BELOW).all())

    def read(outputs: Mapping[str, Any]) -> Boxes:
        return _centred(_rows(outputs[name], attributes), doubles=not is_unit)

    kind, space = ("RT-DETR", "unit") if is_unit else ("YOLOv8", "input")
    return Layout(name=kind, read=read, classes=attributes - 4, letterbox=not is_unit, space=space)


def _centred(table: Array, *, doubles: bool) -> Boxes:
    scores, classes = _best_class(table[:, 4:])
    return keep_best(Boxes(_corners(table[:, :4]), classes, scores), doubles=doubles)


def _end_to_end(table: Array) -> Boxes:
    return keep_best(Boxes(table[:, :4], _whole(table[:, 5]), table[:, 4]), doubles=False)


def _reader(name: str, read: Callable[[Array], Boxes], attributes: int) -> Callable[[Mapping[str, Any]], Boxes]:
    return lambda outputs: read(_rows(outputs[name], attributes))


def _rows(array: Any, attributes: int) -> Array:
    return _float(array).reshape(-1, attributes)


def _float(array: Any) -> Array:
    return np.asarray(array, dtype=np.float32)


def _whole(numbers: Array) -> npt.NDArray[np.int64]:
    """Give class numbers; what is none is -1."""
    return np.where(np.isfinite(numbers) & (np.abs(numbers) < 1e6), numbers, -1).astype(np.int64)


def _best_class(scores: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """Give the surest class's confidence and number of each row; one that is not a number counts as none."""
    known = np.where(np.isfinite(scores), scores, np.float32(0))
    return known.max(axis=1), known.argmax(axis=1).astype(np.int64)


def _corners(centred: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        half = centred[:, 2:] / 2
        return np.hstack([centred[:, :2] - half, centred[:, :2] + half])


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), dtype=np.float32)
