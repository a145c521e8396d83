"""Draws the demo's pictures: a quiet scene, and a figure that walks through it. Pure, no files."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 768, 576
Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """What one demo camera looks at; colors are BGR."""

    wall: Color
    ground: Color
    horizon: int
    has_door: bool
    figure_height: int
    """Pixels; OpenCV's people detector wants 150 to 260."""


FRONT_DOOR = Scene(wall=(176, 190, 202), ground=(160, 168, 172), horizon=300, has_door=True, figure_height=240)
DRIVEWAY = Scene(wall=(196, 176, 158), ground=(168, 172, 164), horizon=260, has_door=False, figure_height=215)
SCENES = {"demo_front_door": FRONT_DOOR, "demo_driveway": DRIVEWAY}
"""By camera id."""


def draw_picture(scene: Scene, *, progress: float | None, seed: int) -> Picture:
    """Draw the scene, HEIGHT x WIDTH x 3 in BGR, with the figure `progress` (0-1) of its way through it, or nobody.

    The same arguments give the same picture; the seed varies noise and light alone.
    """
    random = np.random.default_rng(seed)
    picture = _draw_background(scene)
    if progress is not None:
        x = int(WIDTH * (0.12 + 0.76 * progress))
        _draw_figure(picture, x=x, feet=HEIGHT - 60, height=scene.figure_height, stride=progress * 9)
    blurred = cv2.GaussianBlur(picture, (5, 5), 0)
    noise = random.normal(float(random.uniform(-3, 3)), 4, blurred.shape)
    drawn: Picture = np.clip(blurred + noise, 0, 255).astype(np.uint8)
    return drawn


def encode_picture(picture: Picture) -> bytes:
    """Give the picture as a JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return bytes(data.tobytes())


def _draw_background(scene: Scene) -> Picture:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[: scene.horizon] = scene.wall
    picture[scene.horizon :] = scene.ground
    for row in range(0, scene.horizon, 42):  # courses of a wall, faint enough not to look like limbs
        shade = tuple(max(channel - 7, 0) for channel in scene.wall)
        cv2.line(picture, (0, row), (WIDTH, row), shade, 1, cv2.LINE_AA)
    if scene.has_door:
        cv2.rectangle(picture, (560, 70), (690, scene.horizon), (92, 104, 128), -1)
        cv2.circle(picture, (578, 195), 5, (60, 70, 80), -1, cv2.LINE_AA)
    else:
        cv2.rectangle(picture, (470, 110), (730, scene.horizon), (150, 150, 148), -1)
        for row in range(130, scene.horizon, 30):
            cv2.line(picture, (470, row), (730, row), (138, 138, 136), 1, cv2.LINE_AA)
    path = np.array([[300, scene.horizon], [420, scene.horizon], [640, HEIGHT], [120, HEIGHT]])
    cv2.fillPoly(picture, [path], tuple(min(channel + 16, 255) for channel in scene.ground), cv2.LINE_AA)
    return picture


def _draw_figure(picture: Picture, *, x: int, feet: int, height: int, stride: float) -> None:
    """Draw a walking person whose feet stand at (x, feet); `stride` is the phase of the walk in radians.

    The proportions, in eighths of the height, are those that OpenCV's people detector finds surest.
    """
    unit = height / 8
    clothes, legs, head_color = (52, 40, 36), (40, 34, 30), (40, 44, 50)
    swing = math.sin(stride) * unit * 0.49
    hip, shoulder, head = feet - 4 * unit, feet - 6.73 * unit, feet - 7.35 * unit

    def limb(start: tuple[float, float], end: tuple[float, float], *, color: Color, width: float) -> None:
        points = [(int(px), int(py)) for px, py in (start, end)]
        cv2.line(picture, points[0], points[1], color, max(int(width), 1), cv2.LINE_AA)

    for side in (-1, 1):
        foot = (x + side * (unit * 0.37 + abs(swing) * 0.5), feet)
        knee = (x + side * unit * 0.53, feet - 2 * unit)
        hand = (x + side * (unit * 1.28 - swing * 0.3), hip + unit * 0.2)
        limb((x + side * unit * 0.36, hip), knee, color=legs, width=unit * 0.86)
        limb(knee, foot, color=legs, width=unit * 0.54)
        limb(foot, (foot[0] + side * unit * 0.3, feet), color=legs, width=unit * 0.35)
        limb((x + side * unit * 0.77, shoulder + unit * 0.2), hand, color=clothes, width=unit * 0.55)
    corners = [(-0.82, shoulder), (0.82, shoulder), (0.62, hip), (-0.62, hip)]
    body = np.array([[x + unit * dx, y] for dx, y in corners], dtype=np.int32)
    cv2.fillPoly(picture, [body], clothes, cv2.LINE_AA)
    limb((x, shoulder), (x, head), color=head_color, width=unit * 0.4)
    axes = (int(unit * 0.54), int(unit * 0.58))
    cv2.ellipse(picture, (x, int(head)), axes, 0, 0, 360, head_color, -1, cv2.LINE_AA)
