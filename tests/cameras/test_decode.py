"""Decoding pictures whole."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

import tracemalloc
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cameras.ingest.decode import FORMATS, UndecodableError, decode_picture
from tests.cameras.pictures import make_picture

WHOLE = make_picture(1, size=(160, 120))


@pytest.mark.parametrize(("format", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("BMP", ".bmp")])
def test_taken_formats_give_size_and_suffix(format: str, suffix: str) -> None:
    picture = decode_picture(make_picture(1, size=(33, 21), format=format))
    assert (picture.width, picture.height, picture.suffix) == (33, 21, suffix)


def test_jpeg_with_previews_behind_it_is_a_jpeg() -> None:
    buffer = BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    assert decode_picture(buffer.getvalue()).suffix == FORMATS["MPO"]


@pytest.mark.parametrize("cut", [1, 2, 50, len(WHOLE) // 2, len(WHOLE) - 30])
def test_cut_picture_says_so(cut: int) -> None:
    with pytest.raises(UndecodableError):
        decode_picture(WHOLE[:-cut])


def test_cut_jpeg_is_named_cut_off() -> None:
    with pytest.raises(UndecodableError, match="cut off"):
        decode_picture(WHOLE[: len(WHOLE) // 2])


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP"])
def test_every_format_is_decoded_to_its_end(format: str) -> None:
    data = make_picture(1, size=(160, 120), format=format)
    with pytest.raises(UndecodableError):
        decode_picture(data[: len(data) * 3 // 4])


def test_empty_file_is_named_empty() -> None:
    with pytest.raises(UndecodableError, match="empty"):
        decode_picture(b"")


@pytest.mark.parametrize("data", [b"hello, this is text", b"\x00" * 1000, b"%PDF-1.7"])
def test_what_is_no_picture_is_named_so(data: bytes) -> None:
    with pytest.raises(UndecodableError, match="not a picture"):
        decode_picture(data)


def test_png_with_a_damaged_checksum_is_refused() -> None:
    data = bytearray(make_picture(1, format="PNG"))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(UndecodableError):
        decode_picture(bytes(data))


def test_pixel_limit_is_checked_before_decoding(settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 10_000
    buffer = BytesIO()
    Image.new("1", (3000, 4000)).save(buffer, "PNG")
    with pytest.raises(UndecodableError, match="too large: 3000 x 4000"):
        decode_picture(buffer.getvalue())


def test_exif_time_is_naive_and_local() -> None:
    taken = datetime(2026, 3, 14, 21, 58, 3)
    assert decode_picture(make_picture(taken=taken)).exif_time == taken


def test_zeroed_exif_time_counts_as_none() -> None:
    image, exif, buffer = Image.new("RGB", (8, 8)), Image.Exif(), BytesIO()
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    image.save(buffer, "JPEG", exif=exif)
    assert decode_picture(buffer.getvalue()).exif_time is None


# Pillow warns of damaged EXIF and goes on.
@pytest.mark.filterwarnings("ignore::UserWarning")
@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["JPEG", "PNG", "WEBP", "BMP"]))
def test_damaged_bytes_raise_nothing_but_undecodable(data: st.DataObject, format: str) -> None:
    damaged = bytearray(make_picture(2, taken=datetime(2026, 1, 1), format=format))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_picture(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    except UndecodableError as error:
        assert str(error).endswith((".", "decoded."))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        (b"\0\0\0\x18ftypmif1" + b"\0" * 40, "HEIF"),
        (b"\0\0\0\x18ftypavif" + b"\0" * 40, "AVIF"),
        (b"GIF89a" + b"\0" * 50, "GIF"),
        (b"II*\0" + b"\0" * 50, "TIFF"),
    ],
)
def test_known_kinds_that_are_not_decoded_are_named(data: bytes, kind: str) -> None:
    with pytest.raises(UndecodableError, match=f"{kind} pictures are not supported: JPEG, PNG, WebP and BMP are taken"):
        decode_picture(data)


@pytest.mark.parametrize(
    ("mode", "format"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("I;16", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("RGBA", "WEBP")],
)
def test_rare_kinds_of_pixels_are_decoded(mode: str, format: str) -> None:
    buffer = BytesIO()
    Image.new(mode, (40, 30)).save(buffer, format)
    assert decode_picture(buffer.getvalue()).width == 40


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_animated_picture_counts_as_its_first_frame(format: str) -> None:
    frames, buffer = [Image.new("RGB", (40, 30), color) for color in ("red", "blue", "lime")], BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:], duration=100)
    assert decode_picture(buffer.getvalue()).width == 40


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "JPEG"])
def test_decompression_bomb_is_refused_by_its_header_in_little_memory(format: str, settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 1_000_000
    buffer = BytesIO()
    Image.new("L", (6000, 6000)).save(buffer, format)
    data = buffer.getvalue()
    tracemalloc.start()
    with pytest.raises(UndecodableError, match="too large: 6000 x 6000"):
        decode_picture(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_png_whose_text_unpacks_to_much_is_refused() -> None:
    info = PngInfo()
    info.add_text("bomb", "a" * 80_000_000, zip=True)
    buffer = BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG", pnginfo=info)
    with pytest.raises(UndecodableError):
        decode_picture(buffer.getvalue())
