"""Pictures as detectors and viewers get them: upright, in 8 bits a color, whatever their EXIF says."""

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cameras.ingest.decode import decode_picture, upright_rgb
from events.detectors.frames import as_upright, decode_upright

# Pillow warns of what it skips.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SIZE = (40, 24)
HEADER = b"Exif\0\0"


def make(kind: str = "JPEG", *, orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9003] = "2026:03:14 21:58:03"
    pixels = np.random.default_rng(1).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, exif=exif)
    return file.getvalue()


def with_exif(payload: bytes) -> bytes:
    """Give a JPEG whose EXIF is these bytes."""
    file = io.BytesIO()
    Image.new("RGB", SIZE, "grey").save(file, "JPEG", exif=HEADER + payload)
    return file.getvalue()


GOOD = make()
TIFF = GOOD[GOOD.index(HEADER) + len(HEADER) :][:90]
DAMAGED = st.builds(
    lambda changes, length: bytes(changes.get(index, byte) for index, byte in enumerate(TIFF[:length])),
    st.dictionaries(st.integers(0, len(TIFF) - 1), st.integers(0, 255), max_size=8),
    st.integers(0, len(TIFF)),
)


@given(DAMAGED | st.binary(max_size=120))
@example(b"MM\0\xff" + TIFF[4:])
def test_damaged_exif_costs_no_picture(payload: bytes) -> None:
    data = with_exif(payload)

    assert decode_picture(data).width == SIZE[0]
    _, size = decode_upright(data, scale_of=lambda width, height: 1)
    assert size == as_upright(data)[1]
    assert sorted(size) == sorted(SIZE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_turned_as_viewers_do(kind: str, orientation: int) -> None:
    data = make(kind, orientation=orientation)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))

    pixels, size = decode_upright(data, scale_of=lambda width, height: 1)

    assert size == (expected.shape[1], expected.shape[0])
    assert np.array_equal(pixels, expected)


def test_sixteen_bits_become_eight_without_turning_white() -> None:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")

    with Image.open(io.BytesIO(file.getvalue())) as image:
        shown = np.asarray(upright_rgb(image))

    assert np.array_equal(shown[:, :, 0], grey >> 8)
