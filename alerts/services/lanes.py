"""Who serves which channel in this process, so that a slow receiver holds one thread and not all of them.

Each channel has a lane. It lets one thread in, twice as many after each attempt that went quickly, and one again after
one that did not. While an attempt takes long, nobody else comes in. Who finds no place leaves at once: what waits is
in the database, and whoever leaves the lane asks for it again. So no thread ever waits for another.

A pool of processes has one thread each and so a lane for each process: there a slow receiver may hold them all.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WIDEST = 4
"""Threads of one channel at a time, of the sender's 16: a burst leaves some for the others, and more only wait for the
interpreter."""
SLOW_AFTER_SECONDS = 1.0
"""An attempt that took or takes longer is slow."""
REMEMBERED_SECONDS = 10.0
"""How long an empty lane remembers that its receiver was quick."""
MOST_AT_ONCE = 20
SPAN_SECONDS = 0.5
"""How many deliveries a thread takes at once: so many, or what it sends in about this time at the last attempt's pace.
Long enough to save most of the statements around a send, short enough that none waits while other threads idle."""


@dataclass(slots=True)
class _Lane:
    width: int = 1
    pace: float = SPAN_SECONDS
    """Seconds of the last attempt."""
    left_at: float = 0.0
    began: dict[int, float] = field(default_factory=dict)
    """When each thread inside began what it is at."""


class Place:
    """A thread's place in a lane."""

    def __init__(self, lane: _Lane, *, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self._lane, self._lock, self._clock = lane, lock, clock

    @property
    def most(self) -> int:
        """How many deliveries to take at once; one until the receiver has proved quick."""
        lane = self._lane
        return 1 if lane.width == 1 else max(1, min(MOST_AT_ONCE, int(SPAN_SECONDS / max(lane.pace, 0.001))))

    def begin(self) -> None:
        """Note that an attempt begins."""
        with self._lock:
            self._lane.began[threading.get_ident()] = self._clock()

    def end(self, *, well: bool) -> bool:
        """Note how the attempt ended; True where it went well and quickly, and the thread may go on."""
        with self._lock:
            lane = self._lane
            lane.pace = self._clock() - lane.began[threading.get_ident()]
            is_quick = well and lane.pace <= SLOW_AFTER_SECONDS
            lane.width = min(lane.width * 2, WIDEST) if is_quick else 1
            return is_quick


class Lanes:
    """The lanes of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, _Lane] = {}

    @contextmanager
    def place(self, key: Hashable) -> Iterator[Place | None]:
        """Give the calling thread a place in this lane until the block ends, or None where there is none."""
        me = threading.get_ident()
        with self._lock:
            lane = self._lanes.setdefault(key, _Lane())
            if not lane.began and self._clock() - lane.left_at > REMEMBERED_SECONDS:
                lane.width = 1
            has_room = self._room(lane) > 0
            if has_room:
                lane.began[me] = self._clock()
        if not has_room:
            yield None
            return
        try:
            yield Place(lane, lock=self._lock, clock=self._clock)
        finally:
            with self._lock:
                del lane.began[me]
                lane.left_at = self._clock()
                if not lane.began and lane.width == 1:
                    del self._lanes[key]

    def room(self, key: Hashable) -> int:
        """Give how many more threads the lane would let in now."""
        with self._lock:
            lane = self._lanes.get(key)
            return 1 if lane is None else self._room(lane)

    def _room(self, lane: _Lane) -> int:
        if not lane.began:
            return lane.width
        is_slow = min(lane.began.values()) < self._clock() - SLOW_AFTER_SECONDS
        return 0 if is_slow else max(lane.width - len(lane.began), 0)
