"""The commands `ingest` and `watch --once`."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cameras.ingest.tree import files_of_tree
from cameras.models import Camera, Snapshot
from tests.cameras.pictures import drop, make_picture
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db


def ingest(*arguments: str | Path) -> str:
    out = StringIO()
    call_command("ingest", *map(str, arguments), stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def snapshot_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_camera_folder_is_taken_in_whole(tmp_path: Path) -> None:
    for second in range(5):
        drop(tmp_path, f"archive/FI9800P_AB/snap/MDAlarm_20260314-21580{second}.jpg", seed=second)
    assert ingest(tmp_path / "archive/FI9800P_AB") == "5 taken in, 0 known before, 0 failed"
    assert {snapshot.camera_id for snapshot in Snapshot.objects.get_all()} == {"fi9800p_ab"}


def test_source_is_never_changed_and_twice_adds_nothing(tmp_path: Path) -> None:
    drop(tmp_path, "archive/gate/a.jpg", seed=1)
    drop(tmp_path, "archive/gate/broken.jpg", b"x")
    drop(tmp_path, "archive/gate/Thumbs.db", b"x")
    before = snapshot_of(tmp_path / "archive")
    assert ingest(tmp_path / "archive/gate") == "1 taken in, 0 known before, 1 failed, 1 passed over"
    assert ingest(tmp_path / "archive/gate") == "0 taken in, 2 known before, 0 failed, 1 passed over"
    assert snapshot_of(tmp_path / "archive") == before
    assert Snapshot.objects.count() == 2


def test_each_folder_of_a_tree_is_a_camera(tmp_path: Path) -> None:
    drop(tmp_path, "archive/Front Door/2026-03-14/21-58-03.jpg", seed=1)
    drop(tmp_path, "archive/Garage/a.jpg", seed=2)
    ingest(tmp_path / "archive")
    found = {(snapshot.camera_id, snapshot.name) for snapshot in Snapshot.objects.get_all()}
    assert found == {("front_door", "2026-03-14/21-58-03.jpg"), ("garage", "a.jpg")}


def test_single_file_belongs_to_the_folder_above_the_cameras_own(tmp_path: Path) -> None:
    path = drop(tmp_path, "FI9800P_AB/snap/MDAlarm_20260314-215800.jpg")
    ingest(path)
    snapshot = Snapshot.objects.get_all()[0]
    assert (snapshot.camera_id, snapshot.name) == ("fi9800p_ab", "snap/MDAlarm_20260314-215800.jpg")


def test_camera_can_be_named(tmp_path: Path) -> None:
    CameraFactory(id="yard")
    drop(tmp_path, "a/b/1.jpg", seed=1)
    drop(tmp_path, "a/2.jpg", seed=2)
    ingest(tmp_path / "a", "--camera", "yard")
    assert {(snapshot.camera_id, snapshot.name) for snapshot in Snapshot.objects.get_all()} == {
        ("yard", "b/1.jpg"),
        ("yard", "2.jpg"),
    }


def test_file_inside_the_camera_root_keeps_its_camera_and_its_place(settings: Any) -> None:
    path = drop(Path(settings.CAMERA_ROOT), "gate/snap/a.jpg")
    ingest(path)
    assert Snapshot.objects.get_all()[0].camera_id == "gate"
    assert path.exists()


def test_known_camera_folder_with_folders_of_any_name_is_one_camera(tmp_path: Path) -> None:
    CameraFactory(id="gate", folder_path="gate")
    drop(tmp_path, "gate/whatever/a.jpg")
    ingest(tmp_path / "gate")
    assert Snapshot.objects.get_all()[0].camera_id == "gate"


@pytest.mark.parametrize("arguments", [["/nowhere/at/all"], ["{path}", "--camera", "nobody"]])
def test_what_does_not_exist_is_said(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        ingest(*(argument.format(path=tmp_path) for argument in arguments))


def test_links_of_an_archive_are_not_followed(tmp_path: Path) -> None:
    drop(tmp_path, "outside/a.jpg")
    (tmp_path / "archive/gate").mkdir(parents=True)
    (tmp_path / "archive/gate/link").symlink_to(tmp_path / "outside")
    (tmp_path / "archive/gate/a.jpg").symlink_to(tmp_path / "outside/a.jpg")
    assert list(files_of_tree(tmp_path / "archive")) == []


@pytest.mark.django_db(transaction=True)
def test_watching_once_takes_in_what_is_there(settings: Any) -> None:
    drop(Path(settings.CAMERA_ROOT), "gate/a.jpg", make_picture(1))
    drop(Path(settings.CAMERA_ROOT), "gate/Thumbs.db", b"x")
    out = StringIO()
    call_command("watch", "--once", stdout=out)
    assert out.getvalue().strip() == "1 passed_over, 1 stored"
    assert Camera.objects.get_by_id("gate") is not None
