"""What is old enough goes, whole and with its file; what is kept, young or shared stays."""

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cameras.choices import SnapshotState
from cameras.models import Camera, Snapshot
from events.models import Detection, Event
from events.results import RetentionResult
from events.services import retention
from events.services.retention import remove_old
from siteadmin.core import media
from tests.factories import AlertFactory, CameraFactory, DetectionFactory, EventFactory, SnapshotFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def thirty_days(settings: Any) -> None:
    settings.RETENTION_DAYS = 30


@pytest.fixture
def camera() -> Camera:
    return CameraFactory()


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def picture(camera: Camera, days: float, *, data: bytes = b"a picture", **fields: Any) -> Snapshot:
    sha256 = hashlib.sha256(data).hexdigest()
    name = media.store(io.BytesIO(data), sha256=sha256, suffix=".jpg")
    snapshot: Snapshot = SnapshotFactory(
        camera=camera, received_at=ago(days), captured_at=ago(days), file=name, **fields
    )
    return snapshot


def event_of(*snapshots: Snapshot, **fields: Any) -> Event:
    newest = max(snapshot.received_at for snapshot in snapshots)
    event: Event = EventFactory(camera=snapshots[0].camera, last_arrival_at=newest, **fields)
    for snapshot in snapshots:
        DetectionFactory(camera=snapshot.camera, snapshot=snapshot, event=event)
    return event


def test_an_old_event_goes_with_its_detections_pictures_and_file(camera: Camera) -> None:
    old = picture(camera, 31)
    event_of(old)

    assert remove_old() == RetentionResult(snapshots=1, events=1, files=1)
    assert not (Event.objects.exists() or Detection.objects.exists() or Snapshot.objects.exists())
    assert not media.exists(old.file)


def test_a_second_run_removes_nothing(camera: Camera) -> None:
    event_of(picture(camera, 31))
    remove_old()

    assert remove_old() == RetentionResult()


def test_what_is_younger_stays(camera: Camera) -> None:
    event_of(picture(camera, 29))

    assert remove_old() == RetentionResult()


def test_age_counts_from_the_arrival(camera: Camera) -> None:
    snapshot = picture(camera, 1)
    Snapshot.objects.filter(pk=snapshot.pk).update(captured_at=ago(400))

    assert remove_old().snapshots == 0


def test_a_kept_event_stays_with_its_pictures(camera: Camera) -> None:
    snapshot = picture(camera, 31)
    event_of(snapshot, kept=True)

    assert remove_old() == RetentionResult()
    assert media.exists(snapshot.file)


def test_an_event_goes_whole_when_its_newest_picture_is_old_enough(camera: Camera) -> None:
    event_of(picture(camera, 31), picture(camera, 29, data=b"newer"))

    assert remove_old() == RetentionResult()


def test_a_picture_that_waits_for_detection_stays(camera: Camera) -> None:
    picture(camera, 31, state=SnapshotState.RECEIVED)

    assert remove_old().snapshots == 0


def test_pictures_that_failed_or_were_skipped_go_too(camera: Camera) -> None:
    picture(camera, 31, state=SnapshotState.FAILED)
    picture(camera, 31, state=SnapshotState.SKIPPED, data=b"another")

    assert remove_old() == RetentionResult(snapshots=2, files=2)


def test_a_shared_file_stays_until_its_last_snapshot_goes(camera: Camera) -> None:
    old, young = picture(camera, 31), picture(CameraFactory(), 1)
    assert old.file == young.file

    assert remove_old() == RetentionResult(snapshots=1)
    assert media.exists(young.file)

    Snapshot.objects.filter(pk=young.pk).update(received_at=ago(31))
    assert remove_old() == RetentionResult(snapshots=1, files=1)


def test_a_cameras_own_days_go_before_the_sites() -> None:
    short, forever = CameraFactory(retention_days=2), CameraFactory(retention_days=0)
    picture(short, 3)
    picture(forever, 3000)

    assert remove_old().snapshots == 1
    assert Snapshot.objects.get().camera == forever


def test_zero_days_keep_for_ever(camera: Camera, settings: Any) -> None:
    settings.RETENTION_DAYS = 0
    picture(camera, 10_000)

    assert remove_old() == RetentionResult()


def test_more_days_than_the_calendar_has_keep_as_well() -> None:
    picture(CameraFactory(retention_days=2**31 - 1), 3000)

    assert remove_old() == RetentionResult()


def test_a_deleted_cameras_pictures_go_as_well() -> None:
    picture(CameraFactory(deleted_at=ago(1)), 31)

    assert remove_old().snapshots == 1


def test_merged_events_go_with_the_one_they_were_merged_into(camera: Camera) -> None:
    kept = event_of(picture(camera, 31))
    EventFactory(camera=camera, merged_into=kept, last_arrival_at=ago(1))

    remove_old()

    assert not Event.objects.exists()


def test_an_alert_outlives_its_event(camera: Camera) -> None:
    alert = AlertFactory(event=event_of(picture(camera, 31)))

    remove_old()

    alert.refresh_from_db()
    assert alert.event is None


def test_an_external_detection_without_a_picture_goes_with_its_event(camera: Camera) -> None:
    DetectionFactory(camera=camera, event=EventFactory(camera=camera, last_arrival_at=ago(31)))

    assert remove_old() == RetentionResult(events=1)
    assert not Detection.objects.exists()


def test_many_go_in_batches(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RETENTION_BATCH", 2)
    for number in range(5):
        event_of(picture(camera, 31 + number, data=bytes([number])))

    assert remove_old() == RetentionResult(snapshots=5, events=5, files=5)
