"""Forty pictures of people who walk, 3 s apart by their names, as a Foscam camera uploads them.

Real ones where the folder `../shared/footage` (or the one that FOOTAGE names) has them, else drawn ones.
"""

import os
from pathlib import Path

import cv2

from siteadmin.demo.scene import FRONT_DOOR, draw_picture

ROOT = Path(__file__).resolve().parents[1]
COUNT, STEP_SECONDS = 40, 3
FIRST_SECOND = 21 * 3600 + 58 * 60


def pictures() -> dict[str, bytes]:
    """Give the pictures by name, in the order in which they were taken."""
    folder = Path(os.environ.get("FOOTAGE", ROOT.parent / "shared" / "footage"))
    real = sorted(folder.glob("*/snap/MDAlarm_*.jpg"))
    if real:
        return {path.name: path.read_bytes() for path in real[:COUNT]}
    return {name_of(number): draw(number) for number in range(COUNT)}


def name_of(number: int) -> str:
    """Give the name of a drawn picture."""
    minutes, second = divmod(FIRST_SECOND + number * STEP_SECONDS, 60)
    hour, minute = divmod(minutes, 60)
    return f"MDAlarm_20260314-{hour:02d}{minute:02d}{second:02d}.jpg"


def draw(number: int) -> bytes:
    """Draw a picture with one person, a step further with each number."""
    drawn = draw_picture(FRONT_DOOR, progress=number % COUNT / COUNT, seed=number)
    return cv2.imencode(".jpg", drawn)[1].tobytes()
