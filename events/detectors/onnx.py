"""A user's own detection model in an ONNX file, run by onnxruntime on the CPU or a CUDA card."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from django.conf import settings
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from events.detectors.base import FoundObject, Picture
from events.detectors.frames import Pixels, clip, decode_upright
from events.detectors.labels import COCO, parse_names, read_labels
from events.detectors.layouts import Boxes, Layout, recognise
from events.exceptions import ModelNotUsableError
from siteadmin.core.exceptions import DetectorUnavailableError

# Its exceptions have no class in common but Exception.
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    runtime.EPFail,
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoSuchFile,
    runtime.NotImplemented,
    runtime.RuntimeException,
)
PROVIDERS = {"cpu": ("CPUExecutionProvider",), "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider")}
USUAL_SIDE = 640
LARGEST_SIDE = 4096
BORDER = 114
"""Grey of the letterbox's borders, as models of the YOLO family are trained with."""
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a picture lies in a model's input: its offset there, and input pixels for one of the frame."""

    left: int
    top: int
    across: float
    down: float


class OnnxDetector:
    """Runs the model of `ONNX_MODEL`; the file is opened with the first picture, in the process that looks at it."""

    name = "onnx"

    def __init__(self) -> None:
        self._model: OnnxModel | None = None
        self._loading = threading.Lock()

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Run the model; a model that cannot be used leaves the pictures waiting for a better one."""
        try:
            with self._loading:
                self._model = self._model or open_configured()
            return self._model.detect(picture.data)
        except ModelNotUsableError as error:
            raise DetectorUnavailableError(error.message, original_error=error) from error


class OnnxModel:
    """An opened model, its layout and labels known; ModelNotUsableError where that fails."""

    def __init__(self, path: Path, *, labels: Path | None = None, device: str | None = None) -> None:
        self._session = _open(path, device=device or settings.ONNX_DEVICE)
        inputs = {one.name: one for one in self._session.get_inputs()}
        self._image = _image_input(inputs)
        self._others = [name for name in inputs if name != self._image]
        for name in self._others:
            if name not in ("orig_target_sizes", "im_shape", "scale_factor"):
                raise ModelNotUsableError(f"The model asks for an input that we do not know: {name}")
        self._types = {name: _type_of(one, is_image=name == self._image) for name, one in inputs.items()}
        metadata = self._session.get_modelmeta().custom_metadata_map
        task = metadata.get("task", "detect")
        if task != "detect":
            raise ModelNotUsableError(f"The model is made for the task '{task}'; only detection models can be used")
        shape = inputs[self._image].shape
        self._channels_last = shape[1] != 3 and shape[3] == 3
        sides = shape[1:3] if self._channels_last else shape[2:]
        self._height, self._width = _sides(sides, metadata)
        known = read_labels(labels) if labels else parse_names(metadata.get("names", ""))
        blank = np.full((self._height, self._width, 3), BORDER, dtype=np.uint8)
        with np.errstate(all="ignore"):
            self.layout: Layout = recognise(
                self._run(blank, frame=(self._width, self._height)),
                inputs=list(inputs),
                size=(self._width, self._height),
                classes=len(known) or None,
            )
        self._labels = known or (COCO if self.layout.classes in (None, len(COCO)) else [])

    def detect(self, data: bytes) -> list[FoundObject]:
        """Look at an encoded picture; PictureNotUsableError where it does not decode."""
        pixels, (width, height) = decode_upright(
            data, scale_of=lambda wide, high: max(self._width, self._height) / min(wide, high)
        )
        fitted, fit = self._fit(pixels, width=width, height=height)
        outputs = self._run(fitted, frame=(width, height))
        with np.errstate(all="ignore"):
            boxes = self.layout.read(outputs)
        return self._found(boxes, fit=fit, width=width, height=height)

    def _fit(self, pixels: Pixels, *, width: int, height: int) -> tuple[Pixels, Fit]:
        if not self.layout.letterbox:
            return _resized(pixels, self._width, self._height), Fit(0, 0, self._width / width, self._height / height)
        scale = min(self._width / width, self._height / height)
        wide, high = max(round(width * scale), 1), max(round(height * scale), 1)
        left, top = (self._width - wide) // 2, (self._height - high) // 2
        canvas = np.full((self._height, self._width, 3), BORDER, dtype=np.uint8)
        canvas[top : top + high, left : left + wide] = _resized(pixels, wide, high)
        return canvas, Fit(left, top, wide / width, high / height)

    def _run(self, fitted: Pixels, *, frame: tuple[int, int]) -> Mapping[str, npt.NDArray[Any]]:
        kind = self._types[self._image]
        image: npt.NDArray[Any] = fitted[None] if self._channels_last else fitted.transpose(2, 0, 1)[None]
        if kind is not np.uint8:
            image = image.astype(kind) / kind(255)
        across, down = self._width / frame[0], self._height / frame[1]
        others = {
            "orig_target_sizes": [frame],
            "im_shape": [(self._height, self._width)],
            "scale_factor": [(down, across)],
        }
        feed = {name: np.asarray(others[name], dtype=self._types[name]) for name in self._others}
        feed[self._image] = np.ascontiguousarray(image)
        names = [one.name for one in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(None, feed), strict=True))
        except RUNTIME_ERRORS as error:
            raise ModelNotUsableError(f"The model does not run: {_first_line(error)}") from error

    def _found(self, boxes: Boxes, *, fit: Fit, width: int, height: int) -> list[FoundObject]:
        found = []
        for corners, number, score in zip(boxes.corners, boxes.classes, boxes.scores, strict=True):
            left, top, right, bottom = (float(value) for value in corners)
            if self.layout.space == "unit":
                left, top, right, bottom = left * width, top * height, right * width, bottom * height
            elif self.layout.space == "input":
                left, right = (left - fit.left) / fit.across, (right - fit.left) / fit.across
                top, bottom = (top - fit.top) / fit.down, (bottom - fit.top) / fit.down
            box = clip((left, top, right - left, bottom - top), width=width, height=height)
            if box is None:
                continue
            label = self._labels[number] if number < len(self._labels) else f"class_{number}"
            found.append(
                FoundObject(
                    object_type=label,
                    confidence=round(float(score), 4),
                    x=box[0],
                    y=box[1],
                    width=box[2],
                    height=box[3],
                    frame_width=width,
                    frame_height=height,
                )
            )
        return found


def open_configured() -> OnnxModel:
    """Open the model that the settings name; ModelNotUsableError where it cannot be used."""
    if settings.ONNX_MODEL is None:
        raise ModelNotUsableError("ONNX_MODEL names no file")
    return OnnxModel(Path(settings.ONNX_MODEL), labels=settings.ONNX_LABELS)


def _open(path: Path, *, device: str) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise ModelNotUsableError(f"ONNX_MODEL: there is no file {path}")
    wanted = PROVIDERS[device]
    if wanted[0] not in onnxruntime.get_available_providers():
        raise ModelNotUsableError(f"ONNX_DEVICE is {device}, for which onnxruntime-gpu and CUDA must be installed")
    options = onnxruntime.SessionOptions()
    # Several worker processes share the cores; a pool of threads in each would only fight over them.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=list(wanted))
    except RUNTIME_ERRORS as error:
        raise ModelNotUsableError(f"ONNX_MODEL: {path.name} is no model that runs: {_first_line(error)}") from error


def _image_input(inputs: Mapping[str, Any]) -> str:
    """Give the name of the input that takes the picture: four dimensions, one of them its three colours."""
    fitting = [name for name, one in inputs.items() if _takes_picture(one.shape)]
    if len(fitting) != 1:
        found = ", ".join(f"{name} {one.shape}" for name, one in inputs.items())
        raise ModelNotUsableError(f"The model takes no single colour picture (1, 3, height, width), but {found}")
    return fitting[0]


def _takes_picture(shape: list[Any]) -> bool:
    """Judge an input's shape, in which what is not fixed is a name or None."""
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] != 1):
        return False
    return shape[1] == 3 or shape[3] == 3 or not isinstance(shape[1], int)


def _type_of(one: Any, *, is_image: bool) -> Any:
    types: Mapping[str, Any] = TYPES if is_image else {**TYPES, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
    if one.type not in types:
        raise ModelNotUsableError(f"The model's input {one.name} is of the type {one.type}, which we do not feed")
    return types[one.type]


def _sides(sides: list[Any], metadata: Mapping[str, str]) -> tuple[int, int]:
    """Give the input's height and width: fixed, or as the metadata say, or the usual ones."""
    numbers = [int(part) for part in metadata.get("imgsz", "").strip("[]() ").split(",") if part.strip().isdigit()]
    wanted = numbers * 2 if len(numbers) == 1 else numbers if len(numbers) == 2 else [USUAL_SIDE] * 2
    height, width = (side if isinstance(side, int) else usual for side, usual in zip(sides, wanted, strict=True))
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        raise ModelNotUsableError(f"The model's input is {width}x{height} pixels; up to {LARGEST_SIDE} can be used")
    return height, width


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    way = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), dtype=np.uint8)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
