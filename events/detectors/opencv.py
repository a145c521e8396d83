"""People on a still picture: OpenCV's HOG detector; motion against the picture before is told beside it.

Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", 2005; the coefficients are those
that OpenCV ships. docs/detection.md has the figures behind the numbers here.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from events.detectors.base import FoundObject, Picture
from events.detectors.frames import Box, Pixels, clip, decode_upright
from events.exceptions import PictureNotUsableError

WORK_PIXELS = 960 * 720
"""Every picture is scaled to about this many pixels, so that the time a picture takes is the same for all."""
MOST_ENLARGED = 1.5
"""People below some 75 pixels are too small for the detector's window of 64x128; enlarging helps up to here."""
STRIDE = (8, 8)
PADDING = (8, 8)
SCALE_STEP = 1.1
WINDOW_MARGIN = 1 / 8
"""The detector's window has 16 of its 128 pixels around a person on every side; the box leaves them off."""

WEIGHT_FOR_HALF = 0.7
"""SVM weight that counts as confidence 0.5: between what empty scenes reach and what people do."""
STEEPNESS = 2.0

OVERLAP = 0.45
"""Share of the smaller of two boxes from which on they count as one person."""

MOTION_WIDTH = 192
MOTION_BLUR = (5, 5)
MOTION_STEP = 18
"""Grey levels, after the change of the whole picture's brightness was taken off."""


def confidence_of(weight: float) -> float:
    """Give the confidence 0-1 for a weight of the SVM.

    `1 / (1 + exp(-2 * (weight - 0.7)))`: 0.20 at weight 0, 0.5 at 0.7, 0.93 at 2, 0.99 at 3. The picture alone
    decides: what the camera sent before may still be on its way, and any order of arrival shall give the same.
    """
    return 1 / (1 + math.exp(-STEEPNESS * (weight - WEIGHT_FOR_HALF)))


class OpenCvDetector:
    """Finds people who stand or walk, whole, at least some 75 of 576 pixels tall."""

    name = "opencv"

    def __init__(self) -> None:
        # Several worker processes share the cores; a pool of threads in each would only fight over them.
        cv2.setNumThreads(1)
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), dtype=np.float32))

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Look for people; PictureNotUsableError where the picture does not decode."""
        pixels, (frame_width, frame_height) = _decode(picture.data)
        work = _resize(pixels, _work_scale(pixels))
        if min(work.shape[0] / 128, work.shape[1] / 64) < 1:
            return []  # smaller than the detector's window, even enlarged
        try:
            boxes, weights = self._hog.detectMultiScale(work, winStride=STRIDE, padding=PADDING, scale=SCALE_STEP)
        except cv2.error as error:
            raise PictureNotUsableError(f"The picture cannot be looked at: {error}") from error
        moved = None if picture.before is None else _motion(pixels, picture.before)
        to_frame = (frame_width / work.shape[1], frame_height / work.shape[0])
        found = []
        for box, weight in _without_doubles(zip(boxes, np.ravel(weights), strict=True)):
            whole = clip(_scaled(_trimmed(box), to_frame), width=frame_width, height=frame_height)
            if whole is None:
                continue
            attributes: dict[str, Any] = {"weight": round(weight, 3)}
            if moved is not None:
                attributes["motion"] = round(_share_moved(moved, whole, frame_width, frame_height), 3)
            found.append(
                FoundObject(
                    object_type="person",
                    confidence=round(confidence_of(weight), 4),
                    x=whole[0],
                    y=whole[1],
                    width=whole[2],
                    height=whole[3],
                    frame_width=frame_width,
                    frame_height=frame_height,
                    attributes=attributes,
                )
            )
        return sorted(found, key=lambda one: -one.confidence)


def _decode(data: bytes) -> tuple[Pixels, tuple[int, int]]:
    """Give the upright picture in BGR, perhaps smaller than it is, and its true width and height."""
    pixels, size = decode_upright(data, scale_of=lambda width, height: math.sqrt(WORK_PIXELS / (width * height)))
    return np.ascontiguousarray(pixels[:, :, ::-1]), size


def _work_scale(pixels: Pixels) -> float:
    return min(MOST_ENLARGED, math.sqrt(WORK_PIXELS / (pixels.shape[0] * pixels.shape[1])))


def _resize(pixels: Pixels, scale: float) -> Pixels:
    size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)


def _without_doubles(weighted: Any) -> list[tuple[Box, float]]:
    """Keep the surest of boxes that show the same person."""
    kept: list[tuple[Box, float]] = []
    plain = [
        ((float(x), float(y), float(width), float(height)), float(weight)) for (x, y, width, height), weight in weighted
    ]
    for box, weight in sorted(plain, key=lambda one: (-one[1], one[0])):
        if all(_overlap(box, other) < OVERLAP for other, _ in kept):
            kept.append((box, weight))
    return kept


def _overlap(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(a[2] * a[3], b[2] * b[3])


def _trimmed(box: Box) -> Box:
    x, y, width, height = box
    return (
        x + width * WINDOW_MARGIN,
        y + height * WINDOW_MARGIN,
        width * (1 - 2 * WINDOW_MARGIN),
        height * (1 - 2 * WINDOW_MARGIN),
    )


def _scaled(box: Box, factors: tuple[float, float]) -> Box:
    return box[0] * factors[0], box[1] * factors[1], box[2] * factors[0], box[3] * factors[1]


def _grey(pixels: Pixels) -> npt.NDArray[np.int16]:
    height = max(round(pixels.shape[0] * MOTION_WIDTH / pixels.shape[1]), 1)
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (MOTION_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, MOTION_BLUR, 0), dtype=np.int16)


def _motion(pixels: Pixels, before: bytes) -> npt.NDArray[np.bool_] | None:
    """Tell for each cell of a small picture whether it changed; None where the two cannot be compared."""
    try:
        earlier, _ = _decode(before)
    except PictureNotUsableError:
        return None
    now, then = _grey(pixels), _grey(earlier)
    if now.shape != then.shape:
        return None
    change = now - then
    # A cloud or the camera's gain shifts everything alike; that is no motion.
    return np.asarray(np.abs(change - np.int16(np.median(change))) > MOTION_STEP, dtype=np.bool_)


def _share_moved(
    moved: npt.NDArray[np.bool_], box: tuple[int, int, int, int], frame_width: int, frame_height: int
) -> float:
    """Give the share 0-1 of the box that moved; half of it counts as all, as a person does not fill a box."""
    across, down = moved.shape[1] / frame_width, moved.shape[0] / frame_height
    left, top = int(box[0] * across), int(box[1] * down)
    right, bottom = math.ceil((box[0] + box[2]) * across), math.ceil((box[1] + box[3]) * down)
    part = moved[top:bottom, left:right]
    return min(float(part.mean()) * 2, 1.0) if part.size else 0.0
