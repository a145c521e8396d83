"""A picture's pixels, upright, and boxes on them; what several detectors share."""

import io
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from django.conf import settings
from PIL import Image

from cameras.ingest.decode import BROKEN, orientation_of, upright_rgb
from events.exceptions import PictureNotUsableError

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""Left, top, width, height."""
TURNED = (5, 6, 7, 8)
"""EXIF orientations in which width and height are swapped."""


def decode_upright(data: bytes, *, scale_of: Callable[[int, int], float]) -> tuple[Pixels, tuple[int, int]]:
    """Give the upright picture in RGB, perhaps smaller than it is, and its true width and height.

    `scale_of` says, for the stored width and height, how small it may be made (1: not at all).
    PictureNotUsableError where it does not decode or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > settings.MAX_IMAGE_PIXELS:
                raise PictureNotUsableError(f"The picture has more than {settings.MAX_IMAGE_PIXELS} pixels")
            scale = min(1.0, scale_of(width, height))
            # JPEG decodes straight to a half, a quarter or an eighth: never below the size that is wanted.
            image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))
            turned = orientation_of(image) in TURNED
            pixels = np.ascontiguousarray(upright_rgb(image), dtype=np.uint8)
    except PictureNotUsableError:
        raise
    except BROKEN as error:
        raise PictureNotUsableError(f"The picture cannot be decoded: {error}") from error
    return pixels, (height, width) if turned else (width, height)


def as_upright(data: bytes) -> tuple[bytes, tuple[int, int]]:
    """Give an encoded picture that needs no turning, and its width and height.

    The same bytes where EXIF turns nothing, as programs differ in whether they heed it.
    PictureNotUsableError where it does not decode.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if orientation_of(image) == 1:
                return data, (width, height)
            shown = upright_rgb(image)
    except BROKEN as error:
        raise PictureNotUsableError(f"The picture cannot be decoded: {error}") from error
    turned = io.BytesIO()
    shown.save(turned, format="JPEG", quality=95)
    return turned.getvalue(), shown.size


def clip(box: Box, *, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Give the part of a box inside the frame in whole pixels, or None where nothing of it is."""
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[0] + box[2]), width), min(round(box[1] + box[3]), height)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
