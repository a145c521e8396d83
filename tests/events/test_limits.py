"""What of all that a detector sees is recorded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.choices import SnapshotState
from cameras.models import Camera, DetectionLimit, Mask
from events.detectors.base import MOST_OBJECTS, FoundObject
from events.exceptions import DetectorAnswerError
from events.models import Detection
from events.results import DetectionOutcomeKind as Kind
from events.services.detection import detect_snapshot
from events.services.limits import limit_for, what_counts
from siteadmin.core.models import BreakerState, DeadLetter
from tests.events.conftest import MakeSnapshot
from tests.factories import CameraFactory
from tests.fakes.detectors import ScriptedDetector

pytestmark = pytest.mark.django_db


def found(
    object_type: str = "person", confidence: float = 0.9, *, box: tuple[int, int, int, int] = (100, 100, 64, 96)
) -> FoundObject:
    x, y, width, height = box
    return FoundObject(
        object_type=object_type,
        confidence=confidence,
        x=x,
        y=y,
        width=width,
        height=height,
        frame_width=640,
        frame_height=480,
    )


@pytest.fixture
def camera() -> Camera:
    return CameraFactory()


def limit(camera: Camera | None = None, **fields: Any) -> None:
    DetectionLimit.objects.create(DetectionLimit(camera=camera, **fields))


def mask(camera: Camera, **fields: Any) -> None:
    left_half = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    Mask.objects.create(Mask(camera=camera, **{"name": "Left", "coordinates": left_half, **fields}))


def test_without_limits_the_setting_decides(camera: Camera, settings: Any) -> None:
    settings.DETECTION_CONFIDENCE_THRESHOLD = 0.4

    kept = what_counts([found(confidence=0.4), found(confidence=0.39)], camera_id=camera.pk)

    assert [one.confidence for one in kept] == [0.4]


def test_each_type_has_its_threshold_and_the_closest_row_says_each_thing(camera: Camera) -> None:
    limit(min_confidence=0.3, min_area=0.001)
    limit(object_type="car", min_confidence=0.7)
    limit(camera, min_area=0.01)
    limit(camera, object_type="car", max_area=0.5)
    limit(CameraFactory(), min_confidence=0.99)

    kept = what_counts(
        [
            found("dog", 0.31),
            found("dog", 0.29),
            found("car", 0.69),
            found("car", 0.71),
            found("dog", 0.9, box=(0, 0, 50, 50)),
            found("car", 0.9, box=(0, 0, 640, 300)),
        ],
        camera_id=camera.pk,
    )

    assert [(one.object_type, one.confidence) for one in kept] == [("dog", 0.31), ("car", 0.71)]


def test_a_type_is_ignored_but_where_a_camera_wants_it(camera: Camera) -> None:
    limit(object_type="chair", ignored=True)
    limit(camera, object_type="chair", ignored=False)

    assert len(what_counts([found("chair")], camera_id=camera.pk)) == 1
    assert what_counts([found("chair")], camera_id=CameraFactory().pk) == []
    assert what_counts([found("chair")], camera_id=None) == []


def test_an_object_that_stands_in_a_mask_is_not_seen(camera: Camera) -> None:
    mask(camera)
    inside, leaning_in = found(box=(10, 10, 100, 100)), found(box=(200, 10, 300, 100))

    assert what_counts([inside, leaning_in], camera_id=camera.pk) == [leaning_in]
    assert what_counts([inside], camera_id=CameraFactory().pk) == [inside]


@pytest.mark.parametrize(("fields", "kept"), [({"enabled": False}, 2), ({"object_types": ["car"]}, 1)])
def test_a_mask_may_be_off_or_for_some_types(camera: Camera, fields: dict[str, Any], kept: int) -> None:
    mask(camera, **fields)

    assert (
        len(what_counts([found("person", box=(10, 10, 9, 9)), found("car", box=(10, 10, 9, 9))], camera_id=camera.pk))
        == kept
    )


@given(
    rows=st.lists(
        st.builds(
            DetectionLimit,
            camera_id=st.sampled_from([None, "gate"]),
            object_type=st.sampled_from(["", "car"]),
            min_confidence=st.none() | st.floats(0, 1),
            ignored=st.none() | st.booleans(),
        ),
        max_size=4,
    )
)
def test_rows_decide_the_same_in_any_order(rows: list[DetectionLimit]) -> None:
    unique = list({(row.camera_id, row.object_type): row for row in rows}.values())

    assert limit_for("car", unique) == limit_for("car", unique[::-1])


class TestDetection:
    def test_the_cameras_detector_is_asked(
        self, waiting_snapshot: MakeSnapshot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def get_detector(name: str = "") -> ScriptedDetector:
            asked.append(name)
            return ScriptedDetector()

        monkeypatch.setattr("events.detectors.registry.get_detector", get_detector)

        detect_snapshot(waiting_snapshot(camera=CameraFactory(detector="onnx")).pk)
        detect_snapshot(waiting_snapshot(camera=CameraFactory()).pk)

        assert asked == ["onnx", ""]

    def test_a_detector_that_is_no_longer_configured_leaves_the_picture_waiting(
        self, waiting_snapshot: MakeSnapshot
    ) -> None:
        snapshot = waiting_snapshot(camera=CameraFactory(detector="http"))

        result = detect_snapshot(snapshot.pk)

        assert (result.outcome, result.error) == (Kind.POSTPONED, "The detector 'http' is not configured")

    def test_a_nonsense_answer_fails_the_snapshot_with_the_reason_and_counts_against_nobody(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = DetectorAnswerError("The detector's answer is no JSON")
        snapshot = waiting_snapshot(camera=camera)

        assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED

        snapshot.refresh_from_db()
        assert (snapshot.state, snapshot.error) == (SnapshotState.FAILED, "The detector's answer is no JSON")
        assert not BreakerState.objects.exists(f"detector:{detector.name}")
        assert not DeadLetter.objects.count()

    def test_of_ten_thousand_objects_the_surest_are_kept_and_the_snapshot_says_so(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = [found(confidence=1 - n / 20_000) for n in range(10_000)]
        snapshot = waiting_snapshot(camera=camera)

        detect_snapshot(snapshot.pk)

        snapshot.refresh_from_db()
        assert Detection.objects.count() == MOST_OBJECTS
        assert min(Detection.objects.values_list("confidence", flat=True)) > 0.98
        assert (snapshot.state, "10000 objects" in snapshot.error) == (SnapshotState.DETECTED, True)
