"""Clips for tests."""

import tempfile
from pathlib import Path

import cv2
import numpy as np

CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


def make_clip(*, seconds: float = 5, suffix: str = ".mp4", size: tuple[int, int] = (320, 240), rate: int = 10) -> bytes:
    """Draw a clip whose frames grow brighter with every whole second, by 10 grey levels from 20 on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[suffix]), rate, size)
        assert writer.isOpened()
        for index in range(int(seconds * rate)):
            writer.write(np.full((size[1], size[0], 3), 20 + 10 * (index // rate) % 220, dtype=np.uint8))
        writer.release()
        return path.read_bytes()
