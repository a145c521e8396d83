"""One snapshot is looked at once, whatever dies, fails or comes twice."""

from datetime import timedelta
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from cameras.choices import DETECT_LEASE, DETECT_MAX_ATTEMPTS, SnapshotState
from cameras.models import Camera, Snapshot
from events.detectors.base import FoundObject, Picture
from events.exceptions import PictureNotUsableError
from events.models import Detection, Event
from events.results import DetectionOutcomeKind as Kind
from events.services.detection import detect_snapshot
from siteadmin.core import media, retry
from siteadmin.core.breaker import FAILURES_TO_OPEN
from siteadmin.core.exceptions import DetectorUnavailableError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from tests.events.conftest import MakeSnapshot
from tests.factories import NOON, CameraFactory, ZoneFactory
from tests.fakes.detectors import ScriptedDetector, found_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def camera() -> Camera:
    return CameraFactory()


def reload(snapshot: Snapshot) -> Snapshot:
    snapshot.refresh_from_db()
    return snapshot


def make_due(snapshot: Snapshot) -> None:
    Snapshot.objects.filter(pk=snapshot.pk).update(due_at=timezone.now() - timedelta(seconds=1))


class TestWorks:
    def test_a_person_becomes_a_detection_an_event_with_a_score_and_a_call_for_the_rules(
        self,
        camera: Camera,
        detector: ScriptedDetector,
        waiting_snapshot: MakeSnapshot,
        asked: list[tuple[Step, int]],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        detector.answer = [found_person(0.93)]
        snapshot = waiting_snapshot(camera=camera, captured_at=NOON)

        with django_capture_on_commit_callbacks(execute=True):
            result = detect_snapshot(snapshot.pk)

        event, detection = Event.objects.get(), Detection.objects.get()
        assert (result.outcome, result.detections, result.event_ids) == (Kind.DETECTED, 1, (event.pk,))
        assert (detection.snapshot_id, detection.event_id, detection.detected_at) == (snapshot.pk, event.pk, NOON)
        assert (event.started_at, event.ended_at, event.risk_score, event.scored_by) == (NOON, NOON, 49, "builtin")
        assert (reload(snapshot).state, snapshot.due_at, snapshot.error) == (SnapshotState.DETECTED, None, "")
        assert asked == [(Step.EVALUATE, event.pk)]

    def test_an_empty_picture_is_detected_and_opens_no_event(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        snapshot = waiting_snapshot(camera=camera)

        assert detect_snapshot(snapshot.pk).detections == 0
        assert reload(snapshot).state == SnapshotState.DETECTED
        assert not Event.objects.exists()

    def test_what_is_not_sure_enough_is_left_out(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, settings: Any
    ) -> None:
        settings.DETECTION_CONFIDENCE_THRESHOLD = 0.5
        detector.answer = [found_person(0.5), found_person(0.49)]

        detect_snapshot(waiting_snapshot(camera=camera).pk)

        assert Detection.objects.get().confidence == 0.5

    def test_zones_are_those_that_hold_the_feet(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        left = ZoneFactory(camera=camera)
        ZoneFactory(camera=camera, enabled=False)
        ZoneFactory(camera=camera, coordinates=[[0, 0], [1, 0], [1, 0.3], [0, 0.3]])
        detector.answer = [found_person(x=0, y=0, width=600, height=470), found_person(x=400)]

        detect_snapshot(waiting_snapshot(camera=camera).pk)

        assert sorted(Detection.objects.values_list("zones", flat=True)) == [[], [left.pk]]
        assert Event.objects.get().zones == [left.pk]

    def test_the_detector_sees_the_picture_before_if_it_is_recent_and_of_the_same_size(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        done = {"state": SnapshotState.DETECTED, "due_at": None}
        waiting_snapshot(camera=camera, data=b"older", captured_at=NOON - timedelta(seconds=9), **done)
        waiting_snapshot(camera=camera, data=b"before", captured_at=NOON - timedelta(seconds=3), **done)
        waiting_snapshot(camera=camera, data=b"large", captured_at=NOON - timedelta(seconds=2), width=1920, **done)
        waiting_snapshot(camera=camera, data=b"after", captured_at=NOON + timedelta(seconds=3), **done)
        early = waiting_snapshot(camera=camera, data=b"early", captured_at=NOON - timedelta(hours=1))
        now = waiting_snapshot(camera=camera, data=b"now", captured_at=NOON)

        detect_snapshot(now.pk)
        detect_snapshot(early.pk)

        assert detector.seen == [Picture(b"now", before=b"before"), Picture(b"early", before=None)]


class TestTwice:
    def test_a_second_run_adds_nothing(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = [found_person()]
        snapshot = waiting_snapshot(camera=camera)

        detect_snapshot(snapshot.pk)
        result = detect_snapshot(snapshot.pk)

        assert result.outcome == Kind.NOT_DUE
        assert Detection.objects.count() == 1

    def test_an_unknown_snapshot_is_not_due(self, detector: ScriptedDetector) -> None:
        assert detect_snapshot(4711).outcome == Kind.NOT_DUE

    def test_whoever_lost_the_lease_records_nothing(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        snapshot = waiting_snapshot(camera=camera)

        def too_slow(picture: Picture) -> list[FoundObject]:
            make_due(snapshot)
            assert Snapshot.objects.claim(snapshot.pk, lease=DETECT_LEASE) is not None
            return [found_person()]

        detector.answer = too_slow

        assert detect_snapshot(snapshot.pk).outcome == Kind.LEASE_LOST
        assert not Detection.objects.exists()
        assert not Event.objects.exists()


class TestDown:
    def test_a_detector_that_is_down_postpones_the_snapshot(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = DetectorUnavailableError("no answer")
        snapshot = waiting_snapshot(camera=camera)

        result = detect_snapshot(snapshot.pk)

        assert result.outcome == Kind.POSTPONED
        assert (reload(snapshot).state, snapshot.attempts) == (SnapshotState.RECEIVED, 1)
        assert "no answer" in snapshot.error
        assert snapshot.due_at is not None

    def test_it_is_found_when_the_detector_is_back(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = DetectorUnavailableError("no answer")
        snapshot = waiting_snapshot(camera=camera)
        detect_snapshot(snapshot.pk)
        detector.answer = [found_person()]
        make_due(snapshot)

        assert detect_snapshot(snapshot.pk).outcome == Kind.DETECTED
        assert reload(snapshot).error == ""

    @pytest.mark.parametrize("error", [DetectorUnavailableError("no answer"), SoftTimeLimitExceeded(), OSError("disk")])
    def test_the_last_try_ends_as_a_dead_letter(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, error: Exception
    ) -> None:
        detector.answer = error
        snapshot = waiting_snapshot(camera=camera, attempts=DETECT_MAX_ATTEMPTS - 1)

        assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED
        letter = DeadLetter.objects.get()
        assert (letter.task, letter.subject, letter.attempts) == (Step.DETECT, str(snapshot.pk), DETECT_MAX_ATTEMPTS)
        assert (reload(snapshot).state, snapshot.due_at) == (SnapshotState.FAILED, None)
        assert snapshot.error == letter.error != ""

    def test_an_open_breaker_eats_no_attempts(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = DetectorUnavailableError("no answer")
        for _ in range(FAILURES_TO_OPEN):
            detect_snapshot(waiting_snapshot(camera=camera).pk)
        asked_before = len(detector.seen)
        snapshot = waiting_snapshot(camera=camera, attempts=DETECT_MAX_ATTEMPTS - 1)

        result = detect_snapshot(snapshot.pk)

        assert (result.outcome, len(detector.seen)) == (Kind.POSTPONED, asked_before)
        assert reload(snapshot).attempts == DETECT_MAX_ATTEMPTS - 1
        assert result.retry_in_seconds is not None
        assert result.retry_in_seconds > 1

    def test_a_picture_that_kills_its_worker_every_time_ends_as_a_dead_letter(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        snapshot = waiting_snapshot(camera=camera)
        for _ in range(DETECT_MAX_ATTEMPTS):
            assert Snapshot.objects.claim(snapshot.pk, lease=DETECT_LEASE, state=SnapshotState.DETECTING)
            make_due(snapshot)  # the worker died and its lease ran out

        assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED
        assert detector.seen == []
        assert DeadLetter.objects.get().attempts == DETECT_MAX_ATTEMPTS

    def test_a_picture_that_does_not_decode_fails_at_once_with_the_reason(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = PictureNotUsableError("The picture cannot be decoded: cut")
        snapshot = waiting_snapshot(camera=camera)

        assert detect_snapshot(snapshot.pk).outcome == Kind.FAILED
        assert (reload(snapshot).state, snapshot.error) == (SnapshotState.FAILED, "The picture cannot be decoded: cut")

    def test_a_file_that_is_gone_is_waited_for(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        snapshot = waiting_snapshot(camera=camera)
        media.delete(snapshot.file)

        assert detect_snapshot(snapshot.pk).outcome == Kind.POSTPONED

    def test_a_requeued_dead_letter_makes_the_snapshot_wait_afresh(
        self, camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
    ) -> None:
        detector.answer = DetectorUnavailableError("no answer")
        snapshot = waiting_snapshot(camera=camera, attempts=DETECT_MAX_ATTEMPTS - 1)
        detect_snapshot(snapshot.pk)
        detector.answer = [found_person()]

        assert retry.requeue(DeadLetter.objects.get().pk)
        assert (reload(snapshot).state, snapshot.attempts, snapshot.error) == (SnapshotState.RECEIVED, 0, "")
        assert detect_snapshot(snapshot.pk).outcome == Kind.DETECTED


@pytest.mark.django_db(transaction=True)
def test_four_workers_on_the_same_snapshots_make_each_detection_once(
    detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, asked: list[tuple[Step, int]], in_threads: Any
) -> None:
    detector.answer = [found_person(), found_person(x=300)]
    camera = CameraFactory()
    snapshots = [waiting_snapshot(camera=camera, captured_at=NOON + timedelta(seconds=3 * n)) for n in range(12)]

    in_threads(detect_snapshot, [snapshot.pk for snapshot in snapshots] * 3)

    event = Event.objects.visible().get()
    assert (Detection.objects.count(), event.detection_count) == (24, 24)
    assert (event.started_at, event.ended_at) == (NOON, NOON + timedelta(seconds=33))
