"""Which of the files in view is taken in next, and which are left for the next walk."""

from hypothesis import given
from hypothesis import strategies as st

from cameras.ingest.ready import Job, ReadyFiles
from cameras.ingest.stability import Look


def job(newness: float, path: str = "a") -> Job:
    return Job(path, Look(1, 1), final=True, newness=newness)


def test_the_newest_is_taken_first_whenever_it_came() -> None:
    ready = ReadyFiles(most=10)
    for newness in (2.0, 5.0, 1.0):
        ready.add(job(newness))
    first = ready.take()[0].newness
    ready.add(job(9.0))

    assert [first, *(ready.take()[0].newness for _ in range(3))] == [5.0, 9.0, 2.0, 1.0]


def test_without_room_the_oldest_is_left_out_whichever_it_is() -> None:
    ready = ReadyFiles(most=2)

    assert [ready.add(job(newness)) for newness in (1.0, 2.0)] == [None, None]
    assert ready.add(job(3.0)) == job(1.0)
    assert ready.add(job(1.5)) == job(1.5)
    assert (ready.has_room_for(1.5), ready.has_room_for(2.5)) == (False, True)


@given(st.lists(st.floats(0, 100)), st.integers(1, 5))
def test_what_is_held_are_the_newest(values: list[float], most: int) -> None:
    ready = ReadyFiles(most=most)
    for value in values:
        ready.add(job(value))

    assert [ready.take()[0].newness for _ in range(len(ready))] == sorted(values, reverse=True)[:most]


def test_the_next_pictures_go_with_the_newest_while_they_are_small() -> None:
    ready = ReadyFiles(most=10)
    for number in range(5):
        ready.add(Job(f"{number}.jpg", Look(40, 1), final=True, newness=number))

    assert [[one.path for one in ready.take(most=3, size=100)] for _ in range(3)] == [
        ["4.jpg", "3.jpg"],
        ["2.jpg", "1.jpg"],
        ["0.jpg"],
    ]


def test_a_clip_and_what_could_not_be_taken_with_others_go_alone() -> None:
    ready = ReadyFiles(most=10)
    for number, (path, alone) in enumerate([("a.jpg", False), ("b.jpg", True), ("c.mp4", False), ("d.jpg", False)]):
        ready.add(Job(path, Look(1, 1), final=True, newness=number, alone=alone))

    assert [[one.path for one in ready.take(most=8, size=100)] for _ in range(4)] == [
        ["d.jpg"], ["c.mp4"], ["b.jpg"], ["a.jpg"],
    ]  # fmt: skip
