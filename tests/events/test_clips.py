"""Clips are looked at frame by frame, and show what was seen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import storages
from PIL import Image

from cameras.choices import SnapshotState
from cameras.models import Snapshot
from cameras.services import accept_upload
from events.detectors.base import FoundObject, Picture
from events.exceptions import DetectorAnswerError
from events.models import Detection, Event
from events.results import DetectionOutcomeKind as Kind
from events.services import clips
from events.services.detection import detect_snapshot
from events.services.pictures import event_pictures, plan_detection_crop, plan_event_picture
from events.services.retention import remove_cameras
from siteadmin.core import media
from tests.cameras.clips import make_clip
from tests.cameras.pictures import drop
from tests.fakes.detectors import ScriptedDetector, found_person

pytestmark = pytest.mark.django_db

CAPTURED_AT = datetime(2026, 3, 14, 21, 58, tzinfo=UTC)


@pytest.fixture
def clip(settings: Any, asked: Any) -> Callable[..., Snapshot]:
    """Give a function that takes in a clip."""

    def take(camera: str = "door", **how: Any) -> Snapshot:
        path = drop(Path(settings.CAMERA_ROOT), f"{camera}/MDalarm_20260314_215800.mp4", make_clip(**how))
        snapshot = Snapshot.objects.get_by_id(accept_upload(path).snapshot_id)
        assert snapshot is not None
        return snapshot

    return take


def brightness(data: bytes) -> float:
    return float(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def seen_from(grey: float) -> Callable[[Picture], list[FoundObject]]:
    """Make a detector that sees a person on frames at least so bright, surer the brighter."""
    return lambda picture: (
        [found_person(0.5 + brightness(picture.data) / 500)] if brightness(picture.data) >= grey else []
    )


def test_detections_have_their_frames_time(clip: Any, detector: ScriptedDetector) -> None:
    snapshot = clip(seconds=7)
    detector.answer = seen_from(35)

    result = detect_snapshot(snapshot.pk)

    found = list(Detection.objects.order_by("detected_at"))
    offsets = [detection.attributes["offset_seconds"] for detection in found]
    assert (result.outcome, len(detector.seen)) == (Kind.DETECTED, 4)
    assert offsets == pytest.approx([2, 4, 6], abs=0.15)
    assert [one.detected_at for one in found] == [CAPTURED_AT + timedelta(seconds=offset) for offset in offsets]
    event = Event.objects.get()
    assert (event.detection_count, event.started_at) == (3, found[0].detected_at)


def test_each_frame_is_told_the_one_before(clip: Any, detector: ScriptedDetector) -> None:
    detect_snapshot(clip(seconds=5).pk)
    assert [one.before for one in detector.seen] == [None, *[one.data for one in detector.seen[:-1]]]


def test_key_picture_and_crops_are_of_the_frame(clip: Any, detector: ScriptedDetector) -> None:
    detector.answer = seen_from(35)
    detect_snapshot(clip(seconds=5).pk)
    event = Event.objects.with_picture().get()
    assert event.key_detection is not None

    plan, crop = plan_event_picture(event), plan_detection_crop(event.key_detection)

    assert plan is not None
    assert crop is not None
    assert len(plan.boxes) == 1
    assert Image.open(BytesIO(plan.render())).size == (320, 240)
    assert brightness(crop.render()) == pytest.approx(60, abs=8)  # the surest, at 4 s
    assert len(event_pictures(event, limit=5, max_width=200)) == 2


def test_frames_without_objects_are_not_kept(clip: Any, detector: ScriptedDetector) -> None:
    snapshot = clip(seconds=5)
    detector.answer = seen_from(55)
    detect_snapshot(snapshot.pk)
    snapshot.refresh_from_db()
    assert list(snapshot.frames) == [f"{Detection.objects.get().attributes['offset_seconds']:.3f}"]


def test_frames_go_with_their_clip(clip: Any, detector: ScriptedDetector) -> None:
    snapshot = clip(seconds=3)
    detector.answer = [found_person()]
    detect_snapshot(snapshot.pk)
    snapshot.refresh_from_db()

    remove_cameras([snapshot.camera_id])

    assert len(snapshot.frames) == 2
    assert not any(media.exists(name) for name in [snapshot.file, *snapshot.frames.values()])


def test_frames_of_a_try_that_failed_go_with_their_clip_too(
    clip: Any, detector: ScriptedDetector, settings: Any
) -> None:
    snapshot = clip(seconds=3)

    def answer(picture: Picture) -> list[FoundObject]:
        if len(detector.seen) > 1:
            raise DetectorAnswerError("The detector's answer is no JSON")
        return [found_person()]

    detector.answer = answer
    assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED
    assert list(Path(settings.MEDIA_ROOT).rglob("*.jpg")), "the first frame had been kept"

    remove_cameras([snapshot.camera_id])

    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_one_clip_of_two_cameras_stays_whole_when_one_of_them_goes(clip: Any, detector: ScriptedDetector) -> None:
    detector.answer = [found_person()]
    gone, kept = clip("door", seconds=3), clip("gate", seconds=3)
    for snapshot in (gone, kept):
        detect_snapshot(snapshot.pk)
        snapshot.refresh_from_db()
    assert gone.file == kept.file, "the same content is stored once"

    remove_cameras(["door"])

    assert all(media.exists(name) for name in [kept.file, *kept.frames.values()])
    assert not any(media.exists(name) for name in gone.frames.values())
    drawing = plan_event_picture(Event.objects.get())
    assert drawing is not None and drawing.render()


def test_clip_that_is_damaged_in_the_store_fails_with_the_reason(clip: Any, detector: ScriptedDetector) -> None:
    snapshot = clip(seconds=3)
    Path(storages["default"].path(snapshot.file)).write_bytes(b"\0" * 1000)
    assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED
    snapshot.refresh_from_db()
    assert snapshot.error.startswith("The clip")


def test_slow_detector_leaves_what_it_saw_and_a_note(clip: Any, detector: ScriptedDetector) -> None:
    snapshot = clip(seconds=5)

    def answer(picture: Picture) -> list[FoundObject]:
        if len(detector.seen) > 2:
            raise SoftTimeLimitExceeded
        return [found_person()]

    detector.answer = answer
    detect_snapshot(snapshot.pk)
    snapshot.refresh_from_db()
    assert (snapshot.state, Detection.objects.count()) == (SnapshotState.DETECTED, 2)
    assert snapshot.error == "Looking took too long: the first 2 frames were looked at"


def test_clip_that_cannot_be_read_in_time_is_tried_again(
    clip: Any, detector: ScriptedDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = clip(seconds=3)
    monkeypatch.setattr(clips, "LOOK_WITHIN", timedelta(0))
    assert detect_snapshot(snapshot.pk).outcome == Kind.POSTPONED
