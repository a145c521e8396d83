"""Pictures of what was seen: the key picture with boxes around the objects, and each object alone.

Boxes are in pixels of the upright picture, as a viewer shows it (events.detectors.base), so EXIF's orientation is
applied before anything is drawn or cut. Making a picture is asked for only after its ETag was compared.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from cameras.choices import MediaType
from cameras.ingest.decode import BROKEN, upright_rgb
from events.models import Detection, Event
from events.services.clips import frame_key, offset_of
from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError

STYLE = 1
"""Part of every ETag: raise it when the same detections are drawn differently."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
QUALITY = 88
SMALLEST_WIDTH, LARGEST_WIDTH = 32, 8192
"""What a caller may ask a picture to be scaled down to."""

LABELS_FROM_WIDTH = 400
"""On a smaller thumbnail, labels would hide more than they tell."""

COLORS = ("#ffd400", "#00e5ff", "#ff6ec7", "#7cff4f", "#ff9b3d", "#b79bff")
"""One for each type of object on a picture, in the order of confidence; all light, on black."""
OUTLINE = "#000000"
BOX_PER_PIXEL = 1 / 320
"""Width of a box's line, as a share of the picture's longer side."""
TEXT_PER_PIXEL = 1 / 45
SMALLEST_TEXT = 12
BOXES_A_PICTURE = 30
PADDING = 0.3
"""Around a label's text, as a share of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture that can be made: which file, what is drawn or cut, how wide at most."""

    file: str
    content: str
    """Digest of the file."""
    boxes: Sequence[Detection] = ()
    crop: Detection | None = None
    max_width: int | None = None

    @property
    def etag(self) -> str:
        """Stands for the picture's bytes; costs no look at the file."""
        drawn = ",".join(str(box.pk) for box in self.boxes)
        parts = (STYLE, self.content, drawn, self.crop.pk if self.crop else "", self.max_width or "")
        return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]

    def render(self) -> bytes:
        """Make the JPEG; MediaNotFoundError where the file is gone or no longer readable."""
        with media.open_file(self.file) as file:
            data = file.read()
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as opened:
                if self.max_width and not self.crop:
                    # JPEG decodes straight to a half, a quarter or an eighth; never below the wanted size.
                    opened.draft("RGB", _draft_size(opened, self.max_width))
                picture = upright_rgb(opened)
        except BROKEN as error:
            raise MediaNotFoundError(message="The file cannot be read") from error
        if self.crop:
            picture = picture.crop(_box_on(picture, self.crop))
        if self.max_width and picture.width > self.max_width:
            height = max(round(picture.height * self.max_width / picture.width), 1)
            picture = picture.resize((self.max_width, height), Image.Resampling.LANCZOS)
        if self.boxes:
            _draw_boxes(picture, self.boxes, labels=not self.max_width or self.max_width >= LABELS_FROM_WIDTH)
        made = BytesIO()
        # Thin lines keep their color only where color is stored for every pixel.
        picture.save(made, "JPEG", quality=QUALITY, subsampling=0 if self.boxes else -1)
        return made.getvalue()


def plan_event_picture(event: Event, *, annotated: bool = True, max_width: int | None = None) -> Drawing | None:
    """Plan the key detection's picture with the boxes of all that was seen on it; None where there is no picture.

    Fetch the event `with_picture()` to save two queries.
    """
    key = event.key_detection
    source = _source_of(key) if key else None
    if key is None or source is None or key.snapshot_id is None:
        return None
    boxes: list[Detection] = []
    if annotated:
        boxes = [one for one in Detection.objects.of_snapshot(key.snapshot_id) if offset_of(one) == offset_of(key)]
    return Drawing(file=source.file, content=source.content, boxes=boxes, max_width=max_width)


def event_pictures(event: Event, *, limit: int, max_width: int) -> list[Drawing]:
    """Plan up to `limit` pictures of an event with the boxes of what was seen, those of its surest detections."""
    boxes: dict[_Source, list[Detection]] = {}
    # The same picture may hold many detections; a few times the limit finds enough pictures in any event.
    for detection in Detection.objects.with_pictures_of(event.pk)[: limit * BOXES_A_PICTURE]:
        source = _source_of(detection)
        if source is not None:
            boxes.setdefault(source, []).append(detection)
    return [
        Drawing(file=source.file, content=source.content, boxes=shown, max_width=max_width)
        for source, shown in list(boxes.items())[:limit]
    ]


def plan_detection_crop(detection: Detection, *, max_width: int | None = None) -> Drawing | None:
    """Plan the part of the picture that shows this object; None where there is no picture."""
    source = _source_of(detection)
    if source is None:
        return None
    return Drawing(file=source.file, content=source.content, crop=detection, max_width=max_width)


def event_picture(event: Event, *, annotated: bool) -> bytes | None:
    """Make the event's picture, a JPEG; None where it has none or the file is gone."""
    plan = plan_event_picture(event, annotated=annotated)
    try:
        return plan.render() if plan else None
    except MediaNotFoundError:
        return None


def detection_crop(detection: Detection) -> bytes:
    """Make the picture of one object, a JPEG; MediaNotFoundError where there is none."""
    plan = plan_detection_crop(detection)
    if plan is None:
        raise MediaNotFoundError(message="The detection came without a picture")
    return plan.render()


@dataclass(frozen=True, slots=True)
class _Source:
    """The stored picture that something was seen on, and what stands for its content."""

    snapshot_id: int
    file: str
    content: str


def _source_of(detection: Detection) -> _Source | None:
    """Give the picture, or the clip's frame, of a detection; None where there is none."""
    snapshot = detection.snapshot
    if snapshot is None or not snapshot.file:
        return None
    if snapshot.media_type != MediaType.VIDEO:
        return _Source(snapshot.pk, snapshot.file, snapshot.sha256)
    offset = offset_of(detection)
    file = None if offset is None else snapshot.frames.get(frame_key(offset))
    return _Source(snapshot.pk, file, file) if file else None


def _draft_size(image: Image.Image, max_width: int) -> tuple[int, int]:
    # Before it is turned upright its height may become the width, so both sides keep enough.
    return max_width, max(max_width, image.height * max_width // image.width)


def _box_on(picture: Image.Image, box: Detection) -> tuple[int, int, int, int]:
    """Give left, top, right and bottom on this picture, which may be larger or smaller than the frame."""
    across, down = picture.width / box.frame_width, picture.height / box.frame_height
    left = min(max(round(box.x * across), 0), picture.width - 1)
    top = min(max(round(box.y * down), 0), picture.height - 1)
    right = min(max(round((box.x + box.width) * across), left + 1), picture.width)
    bottom = min(max(round((box.y + box.height) * down), top + 1), picture.height)
    return left, top, right, bottom


def _draw_boxes(picture: Image.Image, boxes: Sequence[Detection], *, labels: bool) -> None:
    draw = ImageDraw.Draw(picture)
    line = max(round(max(picture.size) * BOX_PER_PIXEL), 2)
    font = ImageFont.load_default(max(round(max(picture.size) * TEXT_PER_PIXEL), SMALLEST_TEXT))
    color_of = _colors(box.object_type for box in boxes)
    # The surest last, on top of the others.
    for box in reversed(boxes):
        left, top, right, bottom = _box_on(picture, box)
        # A dark line on both sides of the light one shows it on every background.
        draw.rectangle((left - 1, top - 1, right, bottom), outline=OUTLINE, width=line + 2)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=color_of[box.object_type], width=line)
    for box in reversed(boxes if labels else ()):
        _draw_label(draw, picture, box, font=font, color=color_of[box.object_type])


def _draw_label(
    draw: ImageDraw.ImageDraw,
    picture: Image.Image,
    box: Detection,
    *,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    color: str,
) -> None:
    left, top, _, _ = _box_on(picture, box)
    text = f"{box.object_type} {box.confidence:.0%}"
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    pad = round((y1 - y0) * PADDING) + 1
    width, height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    x = max(min(left, picture.width - width), 0)
    # Above the box, or inside it where the picture ends.
    y = top - height if top >= height else min(top, picture.height - height)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=OUTLINE)
    draw.text((x + pad - x0, y + pad - y0), text, font=font, fill=color)


def _colors(types: Iterable[str]) -> dict[str, str]:
    distinct = list(dict.fromkeys(types))
    return {name: COLORS[index % len(COLORS)] for index, name in enumerate(distinct)}
