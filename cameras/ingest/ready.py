"""The files that are to be taken in, the newest first. Pure.

However many there are, a few thousand are in view: what is older than all of these is left in its folder, where the
next walk meets it again. So a backlog costs no memory, and a picture that comes now does not wait for it.
"""

import itertools
from bisect import insort
from dataclasses import dataclass

from cameras.ingest.stability import Look


@dataclass(frozen=True, slots=True)
class Job:
    """A file to take in; `final`: one that does not decode has failed. `newness` is in seconds of the wall clock."""

    path: str
    look: Look
    final: bool
    newness: float


class ReadyFiles:
    """Holds up to `most` files, and gives the newest."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._jobs: list[tuple[float, int, Job]] = []
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._jobs)

    def has_room_for(self, newness: float) -> bool:
        """Tell whether a file that is so new would be held."""
        return len(self._jobs) < self._most or newness > self._jobs[0][0]

    def add(self, job: Job) -> Job | None:
        """Hold a file; gives the oldest, which may be this one, where there is no room for both."""
        insort(self._jobs, (job.newness, next(self._serial), job))
        return self._jobs.pop(0)[2] if len(self._jobs) > self._most else None

    def take(self) -> Job:
        """Give the newest, and hold it no longer; of the same newness the one that was added last."""
        return self._jobs.pop()[2]

    def clear(self) -> None:
        """Let go of all."""
        self._jobs.clear()
