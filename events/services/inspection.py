"""What the detector sees on a picture that is not taken in: nothing is stored."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from cameras.ingest.decode import UndecodableError, decode_picture
from events.detectors.base import MOST_OBJECTS, FoundObject, Picture
from events.exceptions import PictureNotUsableError
from events.services.detection import ask_detector
from events.services.limits import what_counts
from siteadmin.core.exceptions import (
    CircuitBreakerOpenError,
    DetectorUnavailableError,
    InvalidInputError,
    MediaNotFoundError,
    PayloadTooLargeError,
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """The objects on a picture, and the size of the frame that their boxes are in."""

    width: int
    height: int
    objects: list[FoundObject]


def inspect_file(image_path: str) -> Inspection:
    """Look at a file inside the camera root, named relative to it or in full; raises as `inspect_picture` does.

    InvalidInputError for a path that leads elsewhere, also by a link; MediaNotFoundError where nothing is there.
    """
    return inspect_picture(_read_inside_root(image_path))


def inspect_picture(data: bytes) -> Inspection:
    """Look at a picture.

    PayloadTooLargeError, PictureNotUsableError, DetectorAnswerError, or DetectorUnavailableError (with `retry_after`
    where known).
    """
    if len(data) > settings.MAX_UPLOAD_BYTES:
        raise PayloadTooLargeError(
            f"A picture has at most {settings.MAX_UPLOAD_BYTES} bytes", details={"limit": settings.MAX_UPLOAD_BYTES}
        )
    try:
        picture = decode_picture(data)
    except UndecodableError as error:
        raise PictureNotUsableError(str(error)) from error
    try:
        objects = what_counts(ask_detector(Picture(data)), camera_id=None)[:MOST_OBJECTS]
    except CircuitBreakerOpenError as error:
        # To who asks, held back and down are the same; the breaker alone knows when it is worth asking again.
        raise CircuitBreakerOpenError(
            DetectorUnavailableError.default_message,
            error_code=DetectorUnavailableError.default_error_code,
            retry_after=error.retry_after,
        ) from error
    # The frame is upright, so a picture that EXIF turns has its sides swapped; the detector knows.
    width, height = (objects[0].frame_width, objects[0].frame_height) if objects else (picture.width, picture.height)
    return Inspection(width, height, objects)


def _read_inside_root(image_path: str) -> bytes:
    root = Path(settings.CAMERA_ROOT).resolve()
    try:
        path = (root / image_path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise _refused(image_path) from error
    if not path.is_relative_to(root):
        raise _refused(image_path)
    try:
        # A named pipe would hold us up for ever without O_NONBLOCK.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise MediaNotFoundError(message="The file does not exist", details={"path": image_path}) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise MediaNotFoundError(message="It is no plain file", details={"path": image_path})
    with os.fdopen(handle, "rb") as file:
        return file.read(settings.MAX_UPLOAD_BYTES + 1)


def _refused(image_path: str) -> InvalidInputError:
    constraint = "a path inside the camera root"
    return InvalidInputError(
        f"image_path takes {constraint}",
        details={"path": image_path, "constraint": constraint},
        errors=[{"field": "image_path", "code": "outside_camera_root", "detail": f"Takes {constraint}"}],
    )
