"""Decoding a picture whole, before it may go on; what is wrong with it is said in a sentence."""

import contextlib
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from django.conf import settings
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

FORMATS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}
"""What is taken, by Pillow's name, and the suffix it is stored under; MPO is a JPEG with previews behind it."""
EMPTY = "The file is empty."
TAKEN = "JPEG, PNG, WebP and BMP are taken"
_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevx": "HEIC",
    b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
"""Major brands of ISO base media files that hold pictures (ISO/IEC 23008-12, annex B)."""
_MAGIC = {b"GIF87a": "GIF", b"GIF89a": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_READERS = ("JPEG", "PNG", "WEBP", "BMP")
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".bmp": "image/bmp"}

# Our own limit is checked before anything is decoded; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

# All that Pillow's readers let through on damaged files, as fuzzing them shows.
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError, AttributeError,
    struct.error, MemoryError, Image.DecompressionBombError,
)  # fmt: skip
# Pillow's own exif_transpose writes all of EXIF anew, and fails where any of it is damaged.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.SubsecTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.SubsecTimeDigitized),
)


class UndecodableError(Exception):
    """The bytes are no whole picture that is taken; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """What a whole picture is; `exif_time` is the camera's naive local time or None."""

    width: int
    height: int
    suffix: str
    exif_time: datetime | None


def decode_picture(data: bytes) -> DecodedPicture:
    """Decode every pixel of a picture and give its facts; raises UndecodableError."""
    if not data:
        raise UndecodableError(EMPTY)
    try:
        # The formats are named so that no rarely used reader of Pillow's meets a stranger's bytes.
        with Image.open(BytesIO(data), formats=_READERS) as image:
            return _decode(image, data)
    except UnidentifiedImageError as error:
        kind = _unsupported_kind(data)
        if kind:
            raise UndecodableError(f"{kind} pictures are not supported: {TAKEN}.") from error
        raise UndecodableError(f"The file is not a picture: {TAKEN}.") from error
    except BROKEN as error:
        raise UndecodableError(_reason(error)) from error


def _unsupported_kind(data: bytes) -> str:
    """Name the kind of a picture that is known but not decoded."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "")
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")


def _decode(image: ImageFile.ImageFile, data: bytes) -> DecodedPicture:
    width, height = image.size
    limit: int = settings.MAX_IMAGE_PIXELS
    if width * height > limit:
        raise UndecodableError(f"The picture is too large: {width} x {height} pixels, at most {limit} are decoded.")
    picture_format = str(image.format)
    exif_time = read_exif_time(image)
    if picture_format == "PNG":
        with Image.open(BytesIO(data), formats=("PNG",)) as twin:
            twin.verify()  # checksums, which loading skips; a verified image cannot be loaded
    elif picture_format in ("JPEG", "MPO"):
        # Every coded block is still read, but the pixels are made at an eighth: four times faster.
        image.draft(None, (max(width // 8, 1), max(height // 8, 1)))
    image.load()
    return DecodedPicture(width=width, height=height, suffix=FORMATS[picture_format], exif_time=exif_time)


def read_exif_time(image: Image.Image) -> datetime | None:
    """Give the time at which EXIF says the picture was taken, naive, or None; damaged EXIF is no error."""
    with contextlib.suppress(*BROKEN):
        exif = image.getexif()
        tags: dict[int, Any] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        for time_tag, fraction_tag in _EXIF_TIMES:
            stated = _exif_moment(tags.get(time_tag), tags.get(fraction_tag))
            if stated is not None:
                return stated
        return _exif_moment(tags.get(ExifTags.Base.DateTime), None)
    return None


def upright_rgb(image: Image.Image) -> Image.Image:
    """Give the picture as a viewer shows it: turned as EXIF says (where that is damaged, as it is), in RGB."""
    turn = _TURNS.get(orientation_of(image))
    turned = image if turn is None else image.transpose(turn)
    if turned.mode.startswith("I"):
        # Thermal cameras send 16 bits a pixel; Pillow would cut off all above 255 instead of scaling.
        turned = turned.point(lambda value: value * (1 / 256)).convert("L")
    return turned.convert("RGB")


def orientation_of(image: Image.Image) -> int:
    """Give EXIF's orientation; 1, upright as it is, where there is none, none that is known, or damaged EXIF."""
    with contextlib.suppress(*BROKEN):
        stated = image.getexif().get(ExifTags.Base.Orientation)
        return stated if isinstance(stated, int) and stated in _TURNS else 1
    return 1


def _exif_moment(value: Any, fraction: Any) -> datetime | None:
    text = value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value or "")
    digits = str(fraction or "").strip("\x00 ")
    try:
        moment = datetime.strptime(text.strip("\x00 ")[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - a wall clock
    except ValueError:
        return None
    milliseconds = int(digits[:3].ljust(3, "0")) if digits.isascii() and digits.isdigit() else 0
    return moment + timedelta(milliseconds=milliseconds)


def _reason(error: BaseException) -> str:
    text = str(error).lower()
    if "truncated" in text or "not enough" in text or isinstance(error, EOFError):
        return "The picture is cut off: its data ends before the picture does."
    if isinstance(error, MemoryError):
        return "The picture is too large to be decoded."
    return "The picture is damaged: it cannot be decoded whole."
