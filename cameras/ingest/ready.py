"""The files that are to be taken in, the newest first. Pure.

However many there are, a few thousand are in view: what is older than all of these is left in its folder, where the
next walk meets it again. So a backlog costs no memory, and a picture that comes now does not wait for it.
"""

import itertools
from bisect import insort
from dataclasses import dataclass

from cameras.ingest.stability import Kind, Look, kind_of


@dataclass(frozen=True, slots=True)
class Job:
    """A file to take in; `final`: one that does not decode has failed. `newness` is in seconds of the wall clock.

    `alone`: not together with others, as with them it could not be taken.
    """

    path: str
    look: Look
    final: bool
    newness: float
    alone: bool = False


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

    def take(self, *, most: int = 1, size: int = 0) -> list[Job]:
        """Give the newest, and hold it no longer; of the same newness the one that was added last.

        With it up to `most` that come next, as long as all are pictures, of no more than `size` bytes together.
        """
        taken = [self._jobs.pop()[2]]
        left = size - taken[0].look.size
        while len(taken) < most and self._jobs and _may_share(taken[0]) and _may_share(self._jobs[-1][2]):
            left -= self._jobs[-1][2].look.size
            if left < 0:
                break
            taken.append(self._jobs.pop()[2])
        return taken

    def clear(self) -> None:
        """Let go of all."""
        self._jobs.clear()


def _may_share(job: Job) -> bool:
    return not job.alone and kind_of(job.path) is Kind.PICTURE
