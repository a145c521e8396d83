"""Lanes: how many threads serve a channel, and how many deliveries each takes at once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from alerts.services.lanes import MOST_AT_ONCE, REMEMBERED_SECONDS, SLOW_AFTER_SECONDS, WIDEST, Lanes, Place

KEY = 7


@dataclass
class Clock:
    """Time that passes when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lanes(clock: Clock) -> Lanes:
    return Lanes(clock=clock)


@contextmanager
def other_thread(lanes: Lanes, key: int = KEY) -> Iterator[bool]:
    """Let another thread come in and stay until the block ends; gives whether it found a place."""
    is_in, found, leave = threading.Event(), [], threading.Event()

    def run() -> None:
        with lanes.place(key) as place:
            found.append(place is not None)
            is_in.set()
            leave.wait(5)

    thread = threading.Thread(target=run)
    thread.start()
    is_in.wait(5)
    try:
        yield found[0]
    finally:
        leave.set()
        thread.join()


def attempt(place: Place, clock: Clock, *, seconds: float = 0.01, well: bool = True) -> bool:
    place.begin()
    clock.now += seconds
    return place.end(well=well)


def widen(lanes: Lanes, clock: Clock) -> None:
    with lanes.place(KEY) as place:
        assert place is not None
        for _ in range(5):
            attempt(place, clock)


def test_a_lane_lets_one_thread_in_until_its_receiver_has_proved_quick(lanes: Lanes) -> None:
    with lanes.place(KEY) as place, other_thread(lanes) as found:
        assert (place is not None, found, place and place.most) == (True, False, 1)


def test_lanes_do_not_know_of_each_other(lanes: Lanes) -> None:
    with lanes.place(KEY), other_thread(lanes, key=8) as found:
        assert found


def test_quick_attempts_widen_it_up_to_the_widest(lanes: Lanes, clock: Clock) -> None:
    widen(lanes, clock)

    with ExitStack() as stack:
        found = [stack.enter_context(other_thread(lanes)) for _ in range(WIDEST + 1)]
        assert found == [True] * WIDEST + [False]
        assert lanes.room(KEY) == 0


@pytest.mark.parametrize(("seconds", "well"), [(SLOW_AFTER_SECONDS + 0.1, True), (0.01, False)], ids=["slow", "failed"])
def test_one_attempt_that_does_not_go_well_makes_it_narrow(
    lanes: Lanes, clock: Clock, seconds: float, well: bool
) -> None:
    widen(lanes, clock)

    with lanes.place(KEY) as place:
        assert place is not None
        assert not attempt(place, clock, seconds=seconds, well=well)
        assert (place.most, lanes.room(KEY)) == (1, 0)


def test_while_an_attempt_takes_long_nobody_else_comes_in(lanes: Lanes, clock: Clock) -> None:
    widen(lanes, clock)

    with lanes.place(KEY) as place:
        assert place is not None
        place.begin()
        clock.now += SLOW_AFTER_SECONDS + 0.1
        with other_thread(lanes) as found:
            assert not found


def test_an_empty_lane_forgets_in_time_that_its_receiver_was_quick(lanes: Lanes, clock: Clock) -> None:
    widen(lanes, clock)
    assert lanes.room(KEY) == WIDEST

    clock.now += REMEMBERED_SECONDS + 1

    with lanes.place(KEY), other_thread(lanes) as found:
        assert not found


@pytest.mark.parametrize(("pace", "most"), [(0.001, MOST_AT_ONCE), (0.125, 4), (0.4, 1), (0.9, 1)])
def test_the_quicker_the_receiver_the_more_are_taken_at_once(
    lanes: Lanes, clock: Clock, pace: float, most: int
) -> None:
    with lanes.place(KEY) as place:
        assert place is not None
        for _ in range(3):
            attempt(place, clock, seconds=pace)
        assert place.most == most


def test_a_place_is_given_back_whatever_happens(lanes: Lanes) -> None:
    with pytest.raises(MemoryError), lanes.place(KEY):
        raise MemoryError

    assert lanes.room(KEY) == 1
