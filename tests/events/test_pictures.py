"""Pictures of what was seen."""

import io
from typing import Any

import pytest
from PIL import Image

from events.models import Detection, Event
from events.services.pictures import (
    COLORS,
    Drawing,
    detection_crop,
    event_picture,
    plan_detection_crop,
    plan_event_picture,
)
from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError
from tests.events.seen import GREY, SIZE, picture_bytes, seen_event, stored_snapshot
from tests.factories import DetectionFactory, EventFactory

pytestmark = pytest.mark.django_db
YELLOW = (0xFF, 0xD4, 0x00)
UPRIGHT_AFTER_TURN = 6
"""EXIF: the camera stood on its side; a viewer turns the picture by 90 degrees."""


def decoded(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image.convert("RGB")


def is_near(pixel: Any, color: tuple[int, int, int], *, by: int = 70) -> bool:
    return all(abs(one - other) <= by for one, other in zip(pixel, color, strict=True))


def planned(event: Event, **options: Any) -> Drawing:
    plan = plan_event_picture(event, **options)
    assert plan is not None
    return plan


def test_boxes_are_drawn_where_the_detections_are() -> None:
    picture = decoded(event_picture(seen_event(), annotated=True))

    assert picture.size == SIZE
    for edge in ((300, 260), (339, 260), (320, 200), (320, 319)):
        assert is_near(picture.getpixel(edge), YELLOW), edge
    assert is_near(picture.getpixel((320, 260)), GREY, by=12)
    assert is_near(picture.getpixel((100, 400)), GREY, by=12)


def test_a_label_stands_above_its_box_dark_with_light_text() -> None:
    picture = decoded(event_picture(seen_event(), annotated=True))

    label = picture.crop((300, 178, 400, 198))
    values = sorted(sum(pixel) for pixel in label.get_flattened_data())  # type: ignore[arg-type,misc]
    assert values[len(values) // 3] < 60
    assert values[-10] > 350


def test_a_label_of_a_box_in_the_corner_stays_on_the_picture() -> None:
    event = seen_event(box={"x": 630, "y": 0, "width": 10, "height": 60})

    picture = decoded(event_picture(event, annotated=True))

    assert sum(picture.getpixel((560, 4))) < 120  # type: ignore[arg-type]
    assert picture.size == SIZE


def test_without_boxes_the_picture_is_as_taken() -> None:
    picture = decoded(event_picture(seen_event(), annotated=False))

    assert picture.size == SIZE
    assert picture.getextrema() == ((90, 90), (90, 90), (90, 90))


def test_all_that_was_seen_on_the_picture_is_drawn_each_type_in_a_color_of_its_own() -> None:
    event = seen_event()
    assert event.key_detection is not None
    DetectionFactory(
        camera=event.camera,
        event=event,
        snapshot=event.key_detection.snapshot,
        object_type="car",
        confidence=0.6,
        x=50,
        y=300,
        width=200,
        height=100,
    )

    picture = decoded(event_picture(event, annotated=True))

    cyan = tuple(bytes.fromhex(COLORS[1][1:]))
    assert is_near(picture.getpixel((50, 350)), cyan)  # type: ignore[arg-type]
    assert is_near(picture.getpixel((300, 260)), YELLOW)


def test_a_picture_that_exif_turns_is_drawn_upright() -> None:
    """The detector's frame is upright too: 480 wide and 640 high."""
    data = picture_bytes(kind="JPEG", orientation=UPRIGHT_AFTER_TURN)
    box = {"x": 100, "y": 500, "width": 60, "height": 100, "frame_width": 480, "frame_height": 640}
    event = seen_event(data=data, box=box)

    picture = decoded(event_picture(event, annotated=True))

    assert picture.size == (480, 640)
    assert is_near(picture.getpixel((100, 550)), YELLOW)


def test_a_box_of_another_frame_size_is_scaled() -> None:
    event = seen_event(box={"x": 600, "y": 400, "width": 80, "height": 240, "frame_width": 1280, "frame_height": 960})

    picture = decoded(event_picture(event, annotated=True))

    assert is_near(picture.getpixel((300, 260)), YELLOW)


@pytest.mark.parametrize("orientation", [1, UPRIGHT_AFTER_TURN])
def test_a_width_scales_down_and_keeps_the_boxes_in_place(orientation: int) -> None:
    turned = orientation == UPRIGHT_AFTER_TURN
    frame = {"frame_width": 480, "frame_height": 640} if turned else {}
    data = picture_bytes(kind="JPEG", orientation=orientation)
    event = seen_event(data=data, box={"x": 200, "y": 200, "width": 100, "height": 200, **frame})

    picture = decoded(planned(event, max_width=240).render())

    assert picture.size == ((240, 320) if turned else (240, 180))
    place = (100, 150) if turned else (75, 110)
    assert is_near(picture.getpixel(place), YELLOW, by=110)


def test_a_thumbnail_has_boxes_without_labels() -> None:
    picture = decoded(planned(seen_event(), max_width=160).render())

    assert is_near(picture.getpixel((75, 65)), YELLOW, by=110)
    assert is_near(picture.getpixel((80, 43)), GREY, by=20)


def test_a_width_never_enlarges() -> None:
    assert decoded(planned(seen_event(), max_width=2000).render()).size == SIZE


def test_a_crop_has_the_size_of_its_box() -> None:
    detection = seen_event().key_detection
    assert detection is not None

    assert decoded(detection_crop(detection)).size == (40, 120)


def test_a_crop_shows_the_object_alone() -> None:
    image = Image.new("RGB", SIZE, GREY)
    image.paste((200, 30, 30), (300, 200, 340, 320))
    file = io.BytesIO()
    image.save(file, "PNG")
    detection = seen_event(data=file.getvalue()).key_detection
    assert detection is not None

    crop = decoded(detection_crop(detection))

    assert all(is_near(crop.getpixel(place), (200, 30, 30), by=20) for place in ((2, 2), (37, 117), (20, 60)))


def test_detections_without_a_picture_have_none() -> None:
    event = EventFactory()
    event.key_detection = DetectionFactory(camera=event.camera, event=event, snapshot=None)

    assert event_picture(event, annotated=True) is None
    assert event_picture(EventFactory(), annotated=True) is None
    with pytest.raises(MediaNotFoundError):
        detection_crop(event.key_detection)


def test_a_file_that_is_gone_is_no_picture() -> None:
    event = seen_event()
    assert event.key_detection is not None
    assert event.key_detection.snapshot is not None
    media.delete(event.key_detection.snapshot.file)

    assert event_picture(event, annotated=True) is None
    with pytest.raises(MediaNotFoundError):
        detection_crop(event.key_detection)


def test_a_file_that_rotted_is_no_picture() -> None:
    event = seen_event(data=b"\xff\xd8 not a picture at all")

    assert event_picture(event, annotated=True) is None


def test_each_way_to_show_a_picture_has_an_etag_of_its_own() -> None:
    event = seen_event()
    assert event.key_detection is not None
    crop = plan_detection_crop(event.key_detection)
    assert crop is not None

    plans = [planned(event), planned(event, annotated=False), planned(event, max_width=100), crop]

    assert len({plan.etag for plan in plans}) == 4
    assert planned(Event.objects.with_picture().get(pk=event.pk)).etag == plans[0].etag


def test_one_more_detection_on_the_picture_changes_its_etag() -> None:
    event = seen_event()
    before = planned(event).etag
    assert event.key_detection is not None
    DetectionFactory(camera=event.camera, event=event, snapshot=event.key_detection.snapshot, x=10, y=10)

    assert planned(event).etag != before


def test_boxes_of_other_pictures_are_not_drawn() -> None:
    event = seen_event()
    DetectionFactory(
        camera=event.camera,
        event=event,
        snapshot=stored_snapshot(picture_bytes(size=(64, 48)), camera=event.camera),
        x=10,
    )

    assert list(planned(event).boxes) == list(Detection.objects.of_snapshot(planned(event).boxes[0].snapshot_id or 0))
    assert len(planned(event).boxes) == 1
