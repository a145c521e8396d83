"""Taking several pictures in by one transaction: each ends as it would alone, whatever happens to the others."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cameras.choices import CameraStatus, SnapshotState
from cameras.models import Camera, Snapshot
from cameras.results import IntakeOutcome
from cameras.services import accept_upload, accept_uploads, delete_camera, intake, recording
from siteadmin.core import media
from siteadmin.core.pipeline import Step
from tests.cameras.pictures import drop, make_picture
from tests.core.threads import run_together

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings: Any) -> Path:
    return Path(settings.CAMERA_ROOT)


def take(paths: Sequence[Path], *, final: bool = True) -> list[IntakeOutcome]:
    return [result.outcome for result in accept_uploads([(path, final) for path in paths])]


def names() -> list[str]:
    return sorted(Snapshot.objects.get_queryset().values_list("name", flat=True))


def test_pictures_of_several_cameras_become_snapshots_and_their_originals_go(root: Path) -> None:
    paths = [drop(root, f"{camera}/{number}.jpg", seed=number) for camera in ("door", "gate") for number in range(3)]
    content = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}

    results = accept_uploads([(path, True) for path in paths])

    assert [result.camera_id for result in results] == ["door"] * 3 + ["gate"] * 3
    for result in results:
        snapshot = Snapshot.objects.get(pk=result.snapshot_id)
        with media.open_file(snapshot.file) as file:
            assert file.read() == content.pop(f"{snapshot.camera_id}/{snapshot.name}")
    assert not content
    assert not any(path.exists() for path in paths)
    assert {camera.status for camera in Camera.objects.get_all()} == {CameraStatus.ONLINE}


def test_each_of_many_ends_as_it_would_alone(root: Path, tmp_path: Path) -> None:
    accept_upload(drop(root, "gate/MDAlarm_20260314-215800.jpg", seed=1))
    accept_upload(drop(root, "gone/a.jpg", seed=1))
    delete_camera("gone")
    (root / "gate/link.jpg").symlink_to(tmp_path)
    paths = [
        drop(root, "gate/MDAlarm_20260314-215800.jpg", seed=1),  # taken before
        drop(root, "gate/new.jpg", seed=2),
        drop(root, "gate/cut.jpg", make_picture(3)[:-50]),
        drop(root, "gate/empty.jpg", b""),
        drop(root, "gone/b.jpg", seed=4),
        root / "gate/missing.jpg",
        root / "gate/link.jpg",
    ]

    assert take(paths) == [
        IntakeOutcome.DUPLICATE,
        IntakeOutcome.STORED,
        IntakeOutcome.FAILED,
        IntakeOutcome.FAILED,
        IntakeOutcome.IGNORED,
        IntakeOutcome.GONE,
        IntakeOutcome.IGNORED,
    ]
    assert [path.name for path in paths if path.is_file()] == ["b.jpg"]
    assert Snapshot.objects.failed().count() == 2


def test_what_does_not_decode_yet_stays_and_the_others_go(root: Path) -> None:
    growing = drop(root, "gate/growing.jpg", make_picture(1)[:-50])
    whole = drop(root, "gate/whole.jpg", seed=2)

    assert take([growing, whole], final=False) == [IntakeOutcome.UNDECIDED, IntakeOutcome.STORED]
    assert (growing.exists(), whole.exists()) == (True, False)


@pytest.mark.parametrize("name", ["MDAlarm_20260314-2158{}.jpg", "picture-{}.jpg"], ids=["with a time", "without"])
def test_all_of_them_sent_again_add_nothing(root: Path, name: str) -> None:
    first = take([drop(root, f"gate/{name.format(f'{number:02d}')}", seed=number) for number in range(5)])
    again = take([drop(root, f"gate/{name.format(f'{number:02d}')}", seed=number) for number in range(5)])

    assert (set(first), set(again)) == ({IntakeOutcome.STORED}, {IntakeOutcome.DUPLICATE})
    assert Snapshot.objects.count() == 5


def test_the_same_picture_twice_among_them_is_one_snapshot(root: Path) -> None:
    paths = [drop(root, f"gate/{number}.jpg", seed=1) for number in range(2)]
    other = drop(root, "gate/other.jpg", seed=2)

    assert sorted(take([*paths, other])) == [IntakeOutcome.DUPLICATE, IntakeOutcome.STORED, IntakeOutcome.STORED]
    assert names() in (["0.jpg", "other.jpg"], ["1.jpg", "other.jpg"])


def test_one_that_somebody_takes_meanwhile_takes_no_other_down(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(3)]
    record_all = intake.record_all

    def be_overtaken(drafts: Any) -> Any:
        monkeypatch.undo()
        accept_upload(paths[1])
        return record_all(drafts)

    monkeypatch.setattr(intake, "record_all", be_overtaken)

    assert take(paths) == [IntakeOutcome.STORED, IntakeOutcome.DUPLICATE, IntakeOutcome.STORED]
    assert names() == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_file_that_retention_removes_meanwhile_is_stored_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(3)]
    hold = Snapshot.objects.hold_files

    def remove_one(held: Sequence[str]) -> list[str]:
        monkeypatch.undo()
        media.delete(held[1])
        return hold(held)

    monkeypatch.setattr(Snapshot.objects, "hold_files", remove_one)

    assert take(paths) == [IntakeOutcome.STORED] * 3
    assert all(media.exists(snapshot.file) for snapshot in Snapshot.objects.get_all())


def test_a_database_that_fails_leaves_all_files_and_the_next_try_takes_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(3)]
    monkeypatch.setattr(recording, "_note_seen", fail)
    with pytest.raises(OperationalError):
        take(paths)
    monkeypatch.undo()

    assert Snapshot.objects.count() == 0
    assert take(paths) == [IntakeOutcome.STORED] * 3


def test_detection_is_asked_for_each_that_shall_be_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Step, list[int]]] = []
    monkeypatch.setattr(recording, "dispatch_all", lambda step, ids: asked.append((step, list(ids))))
    paths = [
        drop(root, "gate/a.jpg", seed=1),
        drop(root, "gate/Schedule_20260314-215800.jpg", seed=2),
        drop(root, "gate/b.jpg", seed=3),
        drop(root, "gate/c.jpg", b"no picture"),
    ]

    take(paths)

    wait = Snapshot.objects.get_queryset().filter(state=SnapshotState.RECEIVED).values_list("pk", flat=True)
    assert [(step, sorted(ids)) for step, ids in asked] == [(Step.DETECT, sorted(wait))]


def test_the_newest_of_them_says_how_the_clock_is(root: Path) -> None:
    ahead = timezone.now() + timedelta(hours=5)
    good = timezone.now() - timedelta(minutes=1)
    name = "gate/MDAlarm_{:%Y%m%d-%H%M%S}.jpg"

    take([drop(root, name.format(ahead), seed=1), drop(root, name.format(good), seed=2)])
    assert "ahead" in Camera.objects.get(pk="gate").clock_fault["reason"]

    take([drop(root, name.format(good), seed=3), drop(root, name.format(ahead), seed=4)])
    assert Camera.objects.get(pk="gate").clock_fault is None


def test_eight_cost_hardly_more_statements_than_one(root: Path, django_assert_max_num_queries: Any) -> None:
    accept_upload(drop(root, "gate/a.jpg", seed=99))
    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(8)]

    with django_assert_max_num_queries(8) as queries:  # camera, known ones, and a transaction's
        take(paths)

    assert isinstance(queries, CaptureQueriesContext)
    assert Snapshot.objects.count() == 9


@pytest.mark.django_db(transaction=True)
def test_many_who_take_the_same_pictures_at_once_make_one_snapshot_of_each(root: Path) -> None:
    paths = [drop(root, f"cam{number % 3}/{number}.jpg", seed=number) for number in range(12)]
    orders = [paths, list(reversed(paths)), paths[6:] + paths[:6], sorted(paths, key=os.fspath)]

    run_together(lambda number: take(orders[number % 4]), workers=8)

    assert Snapshot.objects.count() == 12
    assert not any(path.exists() for path in paths)
