"""When a file is whole."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.ingest.stability import Evidence, Kind, Look, Verdict, WaitingFiles, kind_of

SMALL, BIG = Look(10, 1), Look(20, 2)


@pytest.fixture
def files() -> WaitingFiles:
    return WaitingFiles(stable=timedelta(seconds=2))


def test_moved_in_file_is_taken_at_once(files: WaitingFiles) -> None:
    assert files.note("a", SMALL, Evidence.MOVED, now=0) is Verdict.TAKE


def test_closed_file_is_tried_at_once(files: WaitingFiles) -> None:
    assert files.note("a", SMALL, Evidence.CLOSED, now=0) is Verdict.TRY


def test_file_that_stands_still_is_taken_after_the_span(files: WaitingFiles) -> None:
    assert files.note("a", SMALL, Evidence.SEEN, now=0) is Verdict.WAIT
    assert list(files.due(now=1.9)) == []
    assert list(files.due(now=2.0)) == ["a"]
    assert files.note("a", SMALL, Evidence.SEEN, now=2.0) is Verdict.TAKE


def test_growing_file_waits_on(files: WaitingFiles) -> None:
    files.note("a", SMALL, Evidence.SEEN, now=0)
    assert files.note("a", BIG, Evidence.SEEN, now=2) is Verdict.WAIT
    assert files.note("a", BIG, Evidence.SEEN, now=4) is Verdict.TAKE


def test_closed_file_that_does_not_decode_waits_for_standing_still(files: WaitingFiles) -> None:
    files.note("a", SMALL, Evidence.CLOSED, now=0)
    files.undecided("a", SMALL, now=0.1)
    assert files.note("a", SMALL, Evidence.SEEN, now=1) is Verdict.WAIT
    assert files.note("a", SMALL, Evidence.SEEN, now=2) is Verdict.TAKE


def test_file_that_was_tried_and_grew_starts_anew(files: WaitingFiles) -> None:
    files.note("a", SMALL, Evidence.CLOSED, now=0)
    files.undecided("a", SMALL, now=0.1)
    assert files.note("a", BIG, Evidence.SEEN, now=2.1) is Verdict.WAIT
    assert files.note("a", BIG, Evidence.CLOSED, now=2.2) is Verdict.TRY


def test_forgotten_file_is_not_due(files: WaitingFiles) -> None:
    files.note("a", SMALL, Evidence.SEEN, now=0)
    files.forget("a")
    assert list(files.due(now=99)) == []


@given(st.lists(st.tuples(st.floats(0.01, 1.9), st.integers(0, 3)), min_size=1, max_size=30))
def test_file_that_keeps_changing_is_never_taken(steps: list[tuple[float, int]]) -> None:
    files, now, size = WaitingFiles(stable=timedelta(seconds=2)), 0.0, 0
    files.note("a", Look(size, 0), Evidence.SEEN, now=now)
    for wait, growth in steps:
        now, size = now + wait, size + growth + 1
        assert files.note("a", Look(size, 0), Evidence.SEEN, now=now) is Verdict.WAIT


@pytest.mark.parametrize("name", [".hidden.jpg", "a.jpg.part", "a.tmp", "a.filepart", "a.jpg_", "A.JPG.TMP", ""])
def test_temporary_names_wait(name: str) -> None:
    assert kind_of(name) is Kind.UNFINISHED


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG", "x/y.png", "b.webp", "c.bmp", "d.heic", "e.gif"])
def test_pictures_are_known_by_their_suffix(name: str) -> None:
    assert kind_of(name) is Kind.PICTURE


@pytest.mark.parametrize("name", ["a.mkv", "A.MP4", "x/y.avi", "b.mov"])
def test_clips_are_known_by_their_suffix(name: str) -> None:
    assert kind_of(name) is Kind.CLIP


@pytest.mark.parametrize("name", ["Thumbs.db", "a.264", "a.idx", "DVRWorkDirectory", "a.dav"])
def test_other_files_are_others(name: str) -> None:
    assert kind_of(name) is Kind.OTHER
