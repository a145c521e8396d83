"""The watcher's order: the newest first over all cameras, however many files wait, and all of them in the end."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cameras.ingest import watcher as watcher_module
from cameras.ingest.watcher import Watcher
from cameras.results import IntakeOutcome, IntakeResult
from tests.cameras.pictures import drop
from tests.cameras.test_watcher import root as root  # the fixture
from tests.cameras.test_watcher import watching
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")


class Intake:
    """Takes one picture whenever it is let, and notes their order."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._turns = threading.Semaphore(0)

    def __call__(self, path: Path, final: bool) -> IntakeResult:
        self._turns.acquire()
        self.taken.append(path.name)
        path.unlink()
        return IntakeResult(IntakeOutcome.STORED)

    def let(self, count: int) -> None:
        """Let so many more be taken."""
        self._turns.release(count)


@pytest.fixture
def intake() -> Intake:
    return Intake()


@contextmanager
def watched(root: Path, intake: Intake, *, rescan: float = 30.0) -> Iterator[Watcher]:
    """Run a watcher of one thread, and hold it up no longer at the end."""
    with watching(root, accept=intake, threads=1, together=1, rescan=rescan) as watcher:
        try:
            yield watcher
        finally:
            intake.let(10_000)


def fill(root: Path, count: int) -> list[str]:
    """Put files of hours ago into two cameras' folders; gives their names, the newest first."""
    start = time.time() - 7200
    for number in range(count):
        path = drop(root, f"cam{number % 2}/{number:04d}.jpg", b"x")
        os.utime(path, (start + number, start + number))
    return [f"{number:04d}.jpg" for number in reversed(range(count))]


HANDED_ON = 2
"""Files that wait for the one thread, out of the order's reach."""


def test_a_backlog_is_taken_newest_first_over_all_cameras(root: Path, intake: Intake) -> None:
    names = fill(root, 60)
    with watched(root, intake):
        intake.let(60)
        wait_until(lambda: len(intake.taken) == 60)

    # The first were handed on before all were met.
    assert intake.taken[HANDED_ON:] == [name for name in names if name not in intake.taken[:HANDED_ON]]


@pytest.mark.parametrize("is_told", [True, False], ids=["told by the kernel", "found on a walk"])
def test_a_live_picture_does_not_wait_for_the_backlog(
    root: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    if not is_told:
        monkeypatch.setattr(Watcher, "_observe", lambda self: None)
    fill(root, 300)
    (root / "door").mkdir()
    with watched(root, intake, rescan=0.1) as watcher:
        wait_until(lambda: watcher._submitted == HANDED_ON)
        live = drop(root, "door/live.jpg", b"x")
        wait_until(lambda: str(live) in watcher._flying)

        intake.let(HANDED_ON + 1)

        wait_until(lambda: len(intake.taken) == HANDED_ON + 1)
        assert intake.taken[HANDED_ON:] == ["live.jpg"], intake.taken


def test_of_pictures_moved_in_one_by_one_the_last_is_next(root: Path, intake: Intake) -> None:
    (root / "door").mkdir()
    with watched(root, intake) as watcher:
        for number in range(20):
            path = drop(root, f"door/{number}.jpg", b"x")
            wait_until(lambda path=path: str(path) in watcher._flying)
        intake.let(20)
        wait_until(lambda: len(intake.taken) == 20)

    assert intake.taken[HANDED_ON:] == [f"{number}.jpg" for number in range(19, HANDED_ON - 1, -1)]


@pytest.mark.parametrize("is_told", [True, False], ids=["told by the kernel", "there before"])
def test_more_files_than_are_held_in_view_are_all_taken(
    root: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    monkeypatch.setattr(watcher_module, "MOST_READY", 10)
    (root / "cam0").mkdir()
    names = [] if is_told else fill(root, 100)
    with watched(root, intake) as watcher:
        names = names or fill(root, 100)
        for count in range(5, 105, 5):
            intake.let(5)
            wait_until(lambda count=count: len(intake.taken) == count)
            assert len(watcher._ready) <= 10
            assert len(watcher._flying) <= 10 + HANDED_ON + 1

    assert sorted(intake.taken) == sorted(names)
