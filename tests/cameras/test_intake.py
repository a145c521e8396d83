"""Taking pictures in."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from cameras.choices import CameraStatus, SnapshotState, TimerPictures, Trigger
from cameras.folders import slugify_folder
from cameras.models import Camera, Snapshot
from cameras.results import IntakeOutcome
from cameras.services import accept_picture, accept_upload, delete_camera, find_or_create_camera, intake, recording
from siteadmin.core import media
from siteadmin.core.pipeline import Step
from tests.cameras.pictures import drop, make_picture
from tests.core.threads import run_together
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db

FOSCAM = "FI9800P_00123E45E060/snap/MDAlarm_20260314-215800.jpg"


@pytest.fixture
def root(settings: Any) -> Path:
    return Path(settings.CAMERA_ROOT)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[tuple[Step, int]]:
    """Give the steps that are asked for."""
    steps: list[tuple[Step, int]] = []
    monkeypatch.setattr(recording, "dispatch_all", lambda step, row_ids: steps.extend((step, pk) for pk in row_ids))
    return steps


def only_snapshot() -> Snapshot:
    snapshots = Snapshot.objects.get_all()
    assert len(snapshots) == 1
    return snapshots[0]


def test_picture_of_an_unknown_folder_makes_camera_and_snapshot(root: Path, asked: list[Any]) -> None:
    path = drop(root, FOSCAM)

    result = accept_upload(path)

    snapshot = only_snapshot()
    assert (result.outcome, result.snapshot_id) == (IntakeOutcome.STORED, snapshot.pk)
    assert snapshot.camera_id == "fi9800p_00123e45e060"
    assert snapshot.camera.name == "FI9800P_00123E45E060"
    assert snapshot.name == "snap/MDAlarm_20260314-215800.jpg"
    assert snapshot.captured_at == datetime(2026, 3, 14, 21, 58, tzinfo=UTC)
    assert (snapshot.trigger, snapshot.state, snapshot.width) == (Trigger.ALARM, SnapshotState.RECEIVED, 64)
    assert snapshot.due_at is not None
    assert asked == [(Step.DETECT, snapshot.pk)]


def test_stored_bytes_are_those_that_were_sent_and_the_original_goes(root: Path) -> None:
    path = drop(root, FOSCAM)
    data = path.read_bytes()

    accept_upload(path)

    with media.open_file(only_snapshot().file) as file:
        assert file.read() == data
    assert not path.exists()


def test_same_upload_again_adds_nothing(root: Path, asked: list[Any]) -> None:
    first = accept_upload(drop(root, FOSCAM))

    again = accept_upload(drop(root, FOSCAM))

    assert (again.outcome, again.snapshot_id) == (IntakeOutcome.DUPLICATE, first.snapshot_id)
    assert len(asked) == 1
    assert not (root / FOSCAM).exists()


def test_same_content_at_another_stated_time_is_another_snapshot(root: Path) -> None:
    accept_upload(drop(root, FOSCAM))
    accept_upload(drop(root, FOSCAM.replace("215800", "215803")))
    assert Snapshot.objects.count() == 2


def test_fixed_name_with_new_content_is_a_new_picture(root: Path) -> None:
    for seed in (1, 2, 2):
        accept_upload(drop(root, "gate/image.jpg", seed=seed))
    assert Snapshot.objects.count() == 2


def test_zone_changed_later_makes_no_second_snapshot(root: Path) -> None:
    accept_upload(drop(root, FOSCAM))
    Camera.objects.get_queryset().update(timezone="Asia/Tokyo")
    assert accept_upload(drop(root, FOSCAM)).outcome is IntakeOutcome.DUPLICATE


def test_name_is_in_the_zone_of_the_camera(root: Path) -> None:
    CameraFactory(id="gate", folder_path="gate", timezone="Europe/Berlin")
    accept_upload(drop(root, "gate/MDAlarm_20260314-215800.jpg"))
    assert only_snapshot().captured_at == datetime(2026, 3, 14, 20, 58, tzinfo=UTC)


def test_exif_states_the_time_where_the_name_does_not(root: Path) -> None:
    taken = datetime(2026, 3, 14, 8, 0, 1)  # noqa: DTZ001 - a wall clock
    accept_upload(drop(root, "gate/image.jpg", make_picture(taken=taken)))
    snapshot = only_snapshot()
    assert (snapshot.captured_at, snapshot.stated_at) == (taken.replace(tzinfo=UTC), "2026-03-14T08:00:01")


def test_file_time_counts_where_nothing_is_stated(root: Path) -> None:
    path = drop(root, "gate/image.jpg")
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    os.utime(path, (at.timestamp(), at.timestamp()))
    accept_upload(path)
    assert (only_snapshot().captured_at, only_snapshot().stated_at) == (at, "")


def test_wrong_clock_is_replaced_by_arrival_and_kept_as_stated(root: Path) -> None:
    accept_upload(drop(root, "gate/MDAlarm_19700101-000012.jpg"))
    snapshot = only_snapshot()
    assert abs(snapshot.captured_at - timezone.now()) < timedelta(minutes=1)
    assert snapshot.stated_at == "1970-01-01T00:00:12"


def test_timer_picture_is_kept_without_a_look(root: Path, asked: list[Any]) -> None:
    accept_upload(drop(root, "gate/Schedule_20260314-215800.jpg"))
    snapshot = only_snapshot()
    assert (snapshot.state, snapshot.due_at, snapshot.trigger) == (SnapshotState.SKIPPED, None, Trigger.TIMER)
    assert asked == []
    assert snapshot.camera.status == CameraStatus.ONLINE


def test_timer_picture_is_looked_at_where_the_camera_says_so(root: Path, asked: list[Any]) -> None:
    CameraFactory(id="gate", folder_path="gate", timer_pictures=TimerPictures.DETECT)
    accept_upload(drop(root, "gate/Schedule_20260314-215800.jpg"))
    assert asked == [(Step.DETECT, only_snapshot().pk)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (make_picture(1, size=(320, 240))[:-400], "cut off"),
        (b"no picture at all", "not a picture"),
    ],
)
def test_broken_picture_becomes_a_failed_snapshot_and_is_kept_aside(
    root: Path, asked: list[Any], data: bytes, reason: str
) -> None:
    path = drop(root, FOSCAM, data)

    result = accept_upload(path)

    snapshot = only_snapshot()
    assert (result.outcome, snapshot.state, snapshot.due_at) == (IntakeOutcome.FAILED, SnapshotState.FAILED, None)
    assert reason in snapshot.error
    assert snapshot.file.startswith("failed/")
    with media.open_file(snapshot.file) as file:
        assert file.read() == data
    assert not path.exists()
    assert asked == []


def test_broken_picture_again_adds_nothing(root: Path) -> None:
    accept_upload(drop(root, FOSCAM, b"x"))
    assert accept_upload(drop(root, FOSCAM, b"x")).outcome is IntakeOutcome.DUPLICATE


def test_picture_over_the_pixel_limit_fails(root: Path, settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 10_000
    accept_upload(drop(root, FOSCAM, make_picture(size=(400, 300))))
    assert "400 x 300" in only_snapshot().error


def test_file_over_the_size_limit_fails_and_is_kept_aside(root: Path, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    path = drop(root, FOSCAM)
    size = path.stat().st_size
    accept_upload(path)
    snapshot = only_snapshot()
    assert (snapshot.state, snapshot.size) == (SnapshotState.FAILED, size)
    assert media.exists(snapshot.file)
    assert not path.exists()


def test_file_that_may_still_grow_is_left_alone(root: Path) -> None:
    path = drop(root, FOSCAM, make_picture()[:-10])
    assert accept_upload(path, final=False).outcome is IntakeOutcome.UNDECIDED
    assert path.exists()
    assert Snapshot.objects.count() == 0


def test_png_named_jpg_is_taken_as_what_it_is(root: Path) -> None:
    accept_upload(drop(root, FOSCAM, make_picture(format="PNG")))
    assert only_snapshot().file.endswith(".png")


def test_originals_stay_where_they_are_to_be_kept(root: Path, settings: Any) -> None:
    settings.INGEST_KEEP_ORIGINALS = True
    path = drop(root, FOSCAM)
    accept_upload(path)
    assert path.exists()


def test_picture_that_was_overwritten_meanwhile_is_not_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(root, "gate/image.jpg", seed=1)
    record = intake.record_all

    def overwrite_then_record(*args: Any, **kwargs: Any) -> Any:
        drop(root, "gate/image.jpg", seed=2)
        return record(*args, **kwargs)

    monkeypatch.setattr(intake, "record_all", overwrite_then_record)
    accept_upload(path)
    monkeypatch.undo()
    assert path.exists()
    accept_upload(path)
    assert Snapshot.objects.count() == 2


def test_link_is_never_followed(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(make_picture())
    (root / "gate").mkdir()
    (root / "gate/link.jpg").symlink_to(secret)
    (root / "away").symlink_to(tmp_path)
    assert accept_upload(root / "gate/link.jpg").outcome is IntakeOutcome.IGNORED
    assert accept_upload(root / "away/secret.jpg").outcome is IntakeOutcome.IGNORED
    assert secret.exists()


def test_camera_root_may_itself_be_a_link(root: Path, settings: Any, tmp_path: Path) -> None:
    settings.CAMERA_ROOT = tmp_path / "linked"
    settings.CAMERA_ROOT.symlink_to(root)
    assert accept_upload(drop(settings.CAMERA_ROOT, FOSCAM)).outcome is IntakeOutcome.STORED


def test_file_that_disappeared_is_gone(root: Path) -> None:
    (root / "gate").mkdir()
    assert accept_upload(root / "gate/x.jpg").outcome is IntakeOutcome.GONE


def test_named_pipe_does_not_hold_the_intake_up(root: Path) -> None:
    (root / "gate").mkdir()
    os.mkfifo(root / "gate/x.jpg")
    assert accept_upload(root / "gate/x.jpg").outcome is IntakeOutcome.IGNORED


def test_file_right_in_the_root_belongs_to_no_camera(root: Path) -> None:
    path = drop(root, "stray.jpg")
    assert accept_upload(path).outcome is IntakeOutcome.IGNORED
    assert path.exists()
    assert Camera.objects.count() == 0


def test_pictures_of_a_deleted_camera_stay_in_the_folder(root: Path) -> None:
    accept_upload(drop(root, "gate/a.jpg", seed=1))
    delete_camera("gate")
    path = drop(root, "gate/b.jpg", seed=2)
    assert accept_upload(path).outcome is IntakeOutcome.IGNORED
    assert path.exists()


def test_folder_names_with_one_slug_are_one_camera(root: Path) -> None:
    accept_upload(drop(root, "Front Door/a.jpg", seed=1))
    accept_upload(drop(root, "front-door/b.jpg", seed=2))
    assert [camera.pk for camera in Camera.objects.get_all()] == ["front_door"]
    assert Snapshot.objects.count() == 2


def test_folder_with_an_empty_slug_gets_a_camera_of_its_own(root: Path) -> None:
    accept_upload(drop(root, "门口/a.jpg"))
    camera = Camera.objects.get_all()[0]
    assert (camera.pk, camera.name) == (slugify_folder("门口"), "门口")


def test_folder_whose_name_another_camera_has_gets_a_longer_one(root: Path) -> None:
    CameraFactory(id="x", name="Gate", folder_path="elsewhere")
    accept_upload(drop(root, "Gate/a.jpg"))
    assert Camera.objects.get_by_id("gate").name == "Gate (gate)"  # type: ignore[union-attr]


def test_deepest_folder_that_a_camera_names_counts(root: Path) -> None:
    CameraFactory(id="inner", folder_path="house/inner")
    accept_upload(drop(root, "house/inner/snap/a.jpg"))
    assert (only_snapshot().camera_id, only_snapshot().name) == ("inner", "snap/a.jpg")


def test_folder_name_that_no_encoding_fits_is_taken(root: Path) -> None:
    folder = os.fsdecode(b"gate\xff\xfe")
    accept_upload(drop(root, f"{folder}/a\udcff.jpg"))
    assert only_snapshot().name == "a?.jpg"
    again, _ = find_or_create_camera([folder])
    assert again == only_snapshot().camera


def test_picture_shows_that_the_camera_is_there(root: Path) -> None:
    CameraFactory(id="gate", folder_path="gate", status=CameraStatus.OFFLINE)
    accept_upload(drop(root, "gate/a.jpg"))
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None and camera.last_seen_at is not None
    assert camera.status == CameraStatus.ONLINE


def test_archive_does_not_bring_a_camera_online(root: Path) -> None:
    CameraFactory(id="gate", folder_path="gate", status=CameraStatus.OFFLINE)
    path = drop(root, "gate/a.jpg")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    accept_upload(path, live=False)
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None and camera.status == CameraStatus.OFFLINE


def test_client_states_the_time_itself() -> None:
    camera = CameraFactory(timezone="Asia/Tokyo")
    at = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
    accept_picture(make_picture(), camera=camera, name="MDAlarm_20260314-215800.jpg", captured_at=at)
    assert only_snapshot().captured_at == at


def test_database_that_fails_leaves_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(root, FOSCAM)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(intake, "record_all", fail)
    with pytest.raises(OperationalError):
        accept_upload(path)
    monkeypatch.undo()
    assert path.exists()
    assert accept_upload(path).outcome is IntakeOutcome.STORED


@pytest.mark.parametrize("step", ["before the file is stored", "before the row", "before the original goes"])
def test_kill_at_any_step_loses_and_doubles_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Killed(BaseException):
        pass

    def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    path = drop(root, FOSCAM)
    where = {"before the file is stored": media, "before the row": intake, "before the original goes": intake}
    names = {"before the file is stored": "store", "before the row": "record_all"}
    monkeypatch.setattr(where[step], names.get(step, "_remove"), kill)
    with pytest.raises(Killed):
        accept_upload(path)
    monkeypatch.undo()

    assert path.exists()
    assert accept_upload(path).settled
    assert not path.exists()
    assert media.exists(only_snapshot().file)


@pytest.mark.django_db(transaction=True)
def test_eight_intakes_of_one_file_make_one_snapshot(root: Path) -> None:
    path = drop(root, FOSCAM)
    results = run_together(lambda _: accept_upload(path), workers=8)
    assert [result.outcome for result in results].count(IntakeOutcome.STORED) == 1
    assert {result.outcome for result in results} <= {
        IntakeOutcome.STORED,
        IntakeOutcome.DUPLICATE,
        IntakeOutcome.GONE,
    }
    assert Snapshot.objects.count() == 1
    assert not path.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_pictures_of_a_new_folder_make_one_camera(root: Path) -> None:
    paths = [drop(root, f"Back Yard/{number}.jpg", seed=number) for number in range(8)]
    run_together(lambda number: accept_upload(paths[number]), workers=8)
    assert [camera.pk for camera in Camera.objects.get_all()] == ["back_yard"]
    assert Snapshot.objects.count() == 8
