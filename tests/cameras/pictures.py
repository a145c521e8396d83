"""Pictures for tests."""

import random
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image


def make_picture(
    seed: int = 0, *, size: tuple[int, int] = (64, 48), format: str = "JPEG", taken: datetime | None = None
) -> bytes:
    """Draw coarse noise, another for each seed; `taken` goes into EXIF."""
    random_bytes = random.Random(seed).randbytes(12 * 9 * 3)
    image = Image.frombytes("RGB", (12, 9), random_bytes).resize(size)
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = f"{taken:%Y:%m:%d %H:%M:%S}"
    buffer = BytesIO()
    image.save(buffer, format, **({"exif": exif} if taken is not None else {}))
    return buffer.getvalue()


def drop(root: Path, path: str, data: bytes | None = None, *, seed: int = 0) -> Path:
    """Move a whole picture into the camera root, as an upload that ends with a rename."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    growing = target.with_name(f".{target.name}.growing")
    growing.write_bytes(make_picture(seed) if data is None else data)
    return growing.rename(target)
