"""The folder watcher, over real folders and real events."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError, connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cameras.ingest import watcher as watcher_module
from cameras.ingest.scan import walk
from cameras.ingest.watcher import Accept, Watcher
from cameras.models import Camera, Snapshot
from cameras.results import IntakeOutcome, IntakeResult
from cameras.services import accept_upload, accept_uploads, delete_camera, restore_camera
from tests.cameras.pictures import drop, make_picture
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # watchdog registers a folder twice where folders are made faster than it follows, and says so.
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

STABLE = timedelta(seconds=0.4)


def one_by_one(accept: Callable[[Path, bool], IntakeResult]) -> Accept:
    """Make what takes a file in one that takes several."""
    return lambda files: [accept(path, final) for path, final in files]


@pytest.fixture
def root(settings: Any) -> Path:
    return Path(settings.CAMERA_ROOT)


@contextmanager
def watching(
    root: Path,
    *,
    accept: Callable[[Path, bool], IntakeResult] | None = None,
    rescan: float = 30.0,
    threads: int = watcher_module.THREADS,
    together: int = watcher_module.TOGETHER,
) -> Iterator[Watcher]:
    """Run a watcher in a thread; with its long rescan, only events tell it anything after the first walk."""
    watcher = Watcher(
        root,
        accept=accept_uploads if accept is None else one_by_one(accept),
        stable=STABLE,
        rescan=timedelta(seconds=rescan),
        threads=threads,
        together=together,
    )
    stop = threading.Event()
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: watcher.is_watching, what="the first walk")
        yield watcher
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


def names() -> list[str]:
    return sorted(Snapshot.objects.get_queryset().values_list("name", flat=True))


def wait_for(*expected: str) -> None:
    wait_until(lambda: names() == sorted(expected), what=f"{expected}, not {names()}")


def test_moved_in_picture_is_taken_at_once(root: Path) -> None:
    (root / "gate").mkdir()
    with watching(root):
        path = drop(root, "gate/a.jpg")
        wait_for("a.jpg")
        wait_until(lambda: not path.exists())


def test_closed_picture_is_taken_at_once(root: Path) -> None:
    (root / "gate").mkdir()
    with watching(root):
        (root / "gate/a.jpg").write_bytes(make_picture())
        wait_for("a.jpg")


def test_picture_moved_from_outside_the_root_is_taken(root: Path, tmp_path: Path) -> None:
    (root / "gate").mkdir()
    outside = drop(tmp_path, "outside.jpg")
    with watching(root):
        outside.rename(root / "gate/a.jpg")
        wait_for("a.jpg")


def test_growing_picture_is_taken_once_when_it_is_whole(root: Path) -> None:
    (root / "gate").mkdir()
    data = make_picture(size=(320, 240))
    with watching(root) as watcher:
        for end in range(1, 6):
            # Opened and closed again for each piece, as some cameras do.
            with (root / "gate/a.jpg").open("ab") as file:
                file.write(data[len(data) * (end - 1) // 5 : len(data) * end // 5])
        wait_for("a.jpg")
        assert Snapshot.objects.get_all()[0].width == 320
        assert watcher.counts[IntakeOutcome.FAILED] == 0


def test_file_that_is_never_closed_is_taken_when_it_stands_still(root: Path) -> None:
    (root / "gate").mkdir()
    with watching(root), (root / "gate/a.jpg").open("wb", buffering=0) as file:
        file.write(make_picture())
        wait_for("a.jpg")


def test_cut_picture_fails_when_it_stands_still(root: Path) -> None:
    (root / "gate").mkdir()
    with watching(root):
        began = time.monotonic()
        (root / "gate/a.jpg").write_bytes(make_picture()[:-100])
        wait_for("a.jpg")
        assert time.monotonic() - began >= STABLE.total_seconds()
    assert Snapshot.objects.get_all()[0].state == "failed"


def test_temporary_name_waits_for_the_rename(root: Path) -> None:
    (root / "gate").mkdir()
    with watching(root):
        growing = root / "gate/a.jpg.part"
        growing.write_bytes(make_picture(1))
        drop(root, "gate/b.jpg", seed=2)
        wait_for("b.jpg")
        growing.rename(root / "gate/a.jpg")
        wait_for("a.jpg", "b.jpg")


def test_new_folders_are_seen_at_once(root: Path) -> None:
    with watching(root):
        drop(root, "new/2026-03-14/21/58-03.jpg")
        wait_for("2026-03-14/21/58-03.jpg")
    assert Camera.objects.get_by_id("new") is not None


def test_whole_tree_moved_in_is_taken(root: Path, tmp_path: Path) -> None:
    for number in range(5):
        drop(tmp_path, f"tree/snap/{number}.jpg", seed=number)
    with watching(root):
        (tmp_path / "tree").rename(root / "gate")
        wait_for(*(f"snap/{number}.jpg" for number in range(5)))


def test_what_was_there_before_the_start_is_taken(root: Path) -> None:
    for number in range(30):
        drop(root, f"cam{number % 3}/{number}.jpg", seed=number)
    with watching(root):
        wait_for(*(f"{number}.jpg" for number in range(30)))


def test_rescan_finds_what_no_event_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watcher, "_observe", lambda self: None)
    with watching(root, rescan=0.2):
        drop(root, "gate/a.jpg")
        wait_for("a.jpg")


def test_other_files_are_passed_over_but_counted(root: Path) -> None:
    others = ["gate/Thumbs.db", "gate/clip.dav", "gate/001.idx"]
    for name in others:
        drop(root, name, b"x")
    with watching(root, rescan=0.1) as watcher:
        drop(root, "gate/a.jpg")
        wait_for("a.jpg")
        wait_until(lambda: watcher.counts["passed_over"] == 3)
    assert all((root / name).exists() for name in others)
    assert watcher.counts["passed_over"] == 3


def test_pictures_right_in_the_root_stay_and_are_counted_once(root: Path) -> None:
    for name in ("a.jpg", "b.mp4", "README", ".hidden.jpg", "c.jpg.part"):
        drop(root, name, b"x")
    with watching(root, rescan=0.05) as watcher:
        drop(root, "gate/a.jpg")
        wait_for("a.jpg")
        walks = watcher.walks
        wait_until(lambda: watcher.walks >= walks + 3)
    assert watcher.left == {"loose": 2}
    assert (root / "a.jpg").exists()


def test_links_and_hidden_folders_are_left_alone(root: Path, tmp_path: Path) -> None:
    drop(tmp_path, "outside/secret.jpg", seed=9)
    (root / "gate").mkdir()
    (root / "gate/link.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (root / "gate/folder").symlink_to(tmp_path / "outside")
    drop(root, ".trash/old.jpg", seed=8)
    with watching(root, rescan=0.1):
        drop(root, "gate/a.jpg")
        wait_for("a.jpg")
    assert (tmp_path / "outside/secret.jpg").exists()


def test_kept_originals_are_taken_once(root: Path, settings: Any) -> None:
    settings.INGEST_KEEP_ORIGINALS = True
    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(5)]
    with watching(root, rescan=0.05) as watcher:
        wait_for(*(path.name for path in paths))
        walks = watcher.walks
        wait_until(lambda: watcher.walks >= walks + 3)
        assert watcher.counts == {IntakeOutcome.STORED: 5}
        drop(root, "gate/0.jpg", seed=99)
        wait_until(lambda: Snapshot.objects.count() == 6)
    assert all(path.exists() for path in paths)


def test_original_that_cannot_be_removed_is_not_taken_again_and_again(root: Path) -> None:
    path = drop(root, "gate/a.jpg")

    def accept_and_keep(path: Path, final: bool) -> IntakeResult:
        return accept_upload(path, final=final, keep_original=True)

    with watching(root, accept=accept_and_keep, rescan=0.05) as watcher:
        wait_for("a.jpg")
        walks = watcher.walks
        wait_until(lambda: watcher.walks >= walks + 3)
    assert path.exists()
    assert watcher.counts == {IntakeOutcome.STORED: 1}


def test_failing_database_loses_nothing(root: Path) -> None:
    fails = threading.Event()
    fails.set()
    tries: list[Path] = []

    def accept_or_fail(path: Path, final: bool) -> IntakeResult:
        if fails.is_set():
            tries.append(path)
            raise OperationalError("gone")
        return accept_upload(path, final=final)

    with watching(root, accept=accept_or_fail):
        paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(5)]
        wait_until(lambda: len(tries) >= 2)
        assert all(path.exists() for path in paths)
        fails.clear()
        wait_for(*(path.name for path in paths))


def test_file_that_breaks_the_intake_stops_nothing_else(root: Path) -> None:
    def accept_or_break(path: Path, final: bool) -> IntakeResult:
        if path.name == "bad.jpg":
            raise RuntimeError("unforeseen")
        return accept_upload(path, final=final)

    with watching(root, accept=accept_or_break):
        bad = drop(root, "gate/bad.jpg", seed=1)
        drop(root, "gate/good.jpg", seed=2)
        wait_for("good.jpg")
    assert bad.exists()


def test_file_that_breaks_the_intake_is_parted_from_those_it_was_taken_with(root: Path) -> None:
    tries: list[list[str]] = []

    def accept_or_break(files: Sequence[tuple[Path, bool]]) -> list[IntakeResult]:
        tries.append(sorted(path.name for path, _ in files))
        if any(path.name == "bad.jpg" for path, _ in files):
            raise RuntimeError("unforeseen")
        return accept_uploads(files)

    paths = [drop(root, f"gate/{name}.jpg", seed=number) for number, name in enumerate(["1", "2", "bad", "4", "5"])]
    watcher = Watcher(root, accept=accept_or_break, stable=STABLE, threads=1)
    stop = threading.Event()
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    wait_for("1.jpg", "2.jpg", "4.jpg", "5.jpg")
    stop.set()
    thread.join(timeout=20)

    assert [path.name for path in paths if path.exists()] == ["bad.jpg"]
    assert ["bad.jpg"] in tries


def test_pictures_of_a_deleted_camera_wait_for_its_return(root: Path) -> None:
    accept_upload(drop(root, "gate/a.jpg", seed=1))
    delete_camera("gate")
    with watching(root, rescan=0.1) as watcher:
        path = drop(root, "gate/b.jpg", seed=2)
        wait_until(lambda: watcher.counts[IntakeOutcome.IGNORED] >= 2)
        assert path.exists()
        restore_camera("gate")
        wait_for("a.jpg", "b.jpg")


def test_root_that_was_replaced_is_watched_anew(root: Path) -> None:
    with watching(root, rescan=0.2):
        root.rename(root.with_name("old"))
        root.mkdir()
        drop(root, "gate/a.jpg")
        wait_for("a.jpg")


def test_one_shot_mode_waits_until_files_are_whole(root: Path) -> None:
    for number in range(20):
        drop(root, f"gate/{number}.jpg", seed=number)
    drop(root, "gate/cut.jpg", make_picture(99)[:-50])
    watcher = Watcher(root, accept=accept_uploads, stable=STABLE)
    watcher.run_once()
    assert (watcher.counts[IntakeOutcome.STORED], watcher.counts[IntakeOutcome.FAILED]) == (20, 1)
    assert list((root / "gate").iterdir()) == []


def test_one_shot_mode_ends_where_a_deleted_camera_has_files(root: Path) -> None:
    accept_upload(drop(root, "gate/a.jpg", seed=1))
    delete_camera("gate")
    paths = [drop(root, f"gate/{number}.jpg", seed=number) for number in range(20)]
    watcher = Watcher(root, accept=accept_uploads, stable=STABLE)
    watcher.run_once()
    assert all(path.exists() for path in paths)
    assert set(watcher.counts) == {IntakeOutcome.IGNORED}


def test_walk_goes_round_what_it_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(tmp_path, "a/1.jpg")
    drop(tmp_path, "b/2.jpg")
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    refused: list[str] = []
    found = walk(str(tmp_path), on_unreadable=lambda folder, error: refused.append(folder))
    assert [Path(item.path).name for item in found] == ["2.jpg"]
    assert refused == [str(tmp_path / "a")]


@pytest.mark.django_db(transaction=False)
@hypothesis_settings(max_examples=30, deadline=None)
@given(names=st.lists(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,3}\.jpg", fullmatch=True), unique=True, max_size=12))
def test_walk_meets_every_file_once(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("walk")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    met = [found.path for found in walk(str(folder), on_unreadable=lambda *_: None)]
    assert sorted(met) == sorted(str(folder / name) for name in names)


def test_process_killed_in_the_midst_loses_and_doubles_nothing(root: Path, settings: Any) -> None:
    paths = [drop(root, f"gate/{number}.jpg", make_picture(number, size=(640, 480))) for number in range(60)]
    # The tests' own database, which the product's environment does not name.
    url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environ = os.environ | {
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "CAMERA_ROOT": str(root),
        "DJANGO_SETTINGS_MODULE": "siteadmin.settings.test",
    }
    command = [sys.executable, "manage.py", "watch"]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environ, cwd=Path(__file__).resolve().parents[2])

    process = start()
    try:
        wait_until(lambda: Snapshot.objects.count() >= 5, timeout=30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start()
        wait_until(lambda: not any(path.exists() for path in paths), timeout=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert names() == sorted(path.name for path in paths)
