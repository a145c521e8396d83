"""Cameras falling silent, their repository, and the check of their folder."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from kombu.utils.json import dumps, loads

from cameras.checks import check_camera_root
from cameras.choices import CameraStatus
from cameras.models import Camera, Snapshot
from cameras.results import IntakeOutcome, IntakeResult, SilenceResult
from cameras.services import find_or_create_camera
from cameras.tasks import mark_silent
from tests.core.threads import run_together
from tests.factories import CameraFactory, SnapshotFactory


def seen(seconds_ago: float, **fields: Any) -> Camera:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    camera: Camera = CameraFactory(last_seen_at=at, offline_after_seconds=60, **fields)
    return camera


def status_of(camera: Camera) -> str:
    camera.refresh_from_db()
    return camera.status


@pytest.mark.django_db
class TestSilence:
    def test_camera_that_is_silent_for_too_long_goes_offline(self) -> None:
        silent, present = seen(61, status="online"), seen(59, status="online")
        assert mark_silent() == SilenceResult(went_offline=1)
        assert (status_of(silent), status_of(present)) == ("offline", "online")

    def test_second_look_changes_nothing(self) -> None:
        seen(61, status="online")
        mark_silent()
        assert mark_silent() == SilenceResult(went_offline=0)

    @pytest.mark.parametrize("status", ["unknown", "error", "offline"])
    def test_only_what_was_online_goes_offline(self, status: str) -> None:
        camera = seen(61, status=status)
        mark_silent()
        assert status_of(camera) == status

    def test_picture_brings_it_back(self) -> None:
        camera = seen(61, status="offline")
        found = Camera.objects.update_last_seen(camera.pk)
        assert found is not None and found.status == CameraStatus.ONLINE
        assert found.last_seen_at is not None and found.last_seen_at > timezone.now() - timedelta(seconds=5)

    def test_last_seen_never_goes_back(self) -> None:
        camera = seen(10)
        Camera.objects.update_last_seen(camera.pk, seen_at=timezone.now() - timedelta(days=1))
        before = camera.last_seen_at
        camera.refresh_from_db()
        assert camera.last_seen_at == before

    def test_unknown_camera_is_none(self) -> None:
        assert Camera.objects.update_last_seen("nope") is None


@pytest.mark.django_db
class TestRepository:
    def test_cameras_are_found_by_folder_and_status(self) -> None:
        camera = CameraFactory(folder_path="house/gate", status="online")
        assert Camera.objects.get_by_folder_path("house/gate") == camera
        assert Camera.objects.get_by_folder_path("gate") is None
        assert Camera.objects.get_online_cameras() == [camera]
        assert Camera.objects.get_by_status("offline") == []

    def test_latest_snapshot_is_the_newest_whole_picture(self) -> None:
        camera, now = CameraFactory(), timezone.now()
        SnapshotFactory(camera=camera, captured_at=now - timedelta(hours=1))
        newest = SnapshotFactory(camera=camera, captured_at=now)
        SnapshotFactory(camera=camera, captured_at=now + timedelta(minutes=1), state="failed", width=None)
        found = {row.pk: row.latest_snapshot_id for row in Camera.objects.with_latest_snapshot()}
        assert found == {camera.pk: newest.pk}
        assert Snapshot.objects.get_latest_picture(camera.pk) == newest


def test_result_travels_through_celery() -> None:
    result = IntakeResult(IntakeOutcome.STORED, snapshot_id=3, camera_id="gate")
    assert loads(dumps(result)) == result


def test_missing_root_is_made(settings: Any, tmp_path: Path) -> None:
    settings.CAMERA_ROOT = tmp_path / "a/b"
    assert check_camera_root() == []
    assert settings.CAMERA_ROOT.is_dir()


def test_root_that_is_a_file_is_an_error_that_names_the_setting(settings: Any, tmp_path: Path) -> None:
    settings.CAMERA_ROOT = tmp_path / "file"
    settings.CAMERA_ROOT.write_text("x")
    assert "CAMERA_ROOT" in check_camera_root()[0].msg


def test_root_that_cannot_be_made_is_an_error(settings: Any) -> None:
    settings.CAMERA_ROOT = Path("/proc/nowhere/cameras")
    assert "cannot be made" in check_camera_root()[0].msg


def test_root_that_is_not_writable_is_an_error(settings: Any) -> None:
    settings.CAMERA_ROOT = Path("/proc")
    assert "not writable" in check_camera_root()[0].msg


@pytest.mark.django_db(transaction=True)
def test_whoever_meets_a_new_folder_at_once_makes_one_camera_and_tells_of_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    found = run_together(lambda _: find_or_create_camera(["Front Door"])[0].pk, workers=8)

    told = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert (found, told) == (["front_door"] * 8, ["camera_created"])
