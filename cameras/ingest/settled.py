"""The files that stay in their folders: taken and to be kept, or of no kind that is taken. Pure.

However many there are, each costs some ten bytes: a digest of 64 bits in a sorted array, and whether the walk under way
has met it. What a whole walk does not meet is gone, and forgotten with it.
"""

import heapq
from array import array
from bisect import bisect_left

DIGEST = 0xFFFF_FFFF_FFFF_FFFF
ADDED_AT_LEAST = 4096
ADDED_SHARE = 8
"""New ones are merged in when they are so many, or this part of all; so that neither they nor the merging cost much."""


class SettledFiles:
    """Holds the digests of up to `most` files."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._kept = array("Q")
        self._met = bytearray()
        self._added: set[int] = set()

    def __len__(self) -> int:
        return len(self._kept) + len(self._added)

    def meet(self, mark: int) -> bool:
        """Tell whether the file of this mark is settled; the walk under way has met it then."""
        digest = mark & DIGEST
        if digest in self._added:
            return True
        at = bisect_left(self._kept, digest)
        if at == len(self._kept) or self._kept[at] != digest:
            return False
        self._met[at] = 1
        return True

    def add(self, mark: int) -> bool:
        """Hold a file from now on; False where there is no room."""
        if self.meet(mark):
            return True
        if len(self) >= self._most:
            return False
        self._added.add(mark & DIGEST)
        if len(self._added) > max(ADDED_AT_LEAST, len(self._kept) // ADDED_SHARE):
            self._merge(only_met=False)
        return True

    def begin_walk(self) -> None:
        """Begin to note which ones are met."""
        self._met = bytearray(len(self._kept))

    def end_walk(self) -> None:
        """Forget those that were not met since the walk began."""
        self._merge(only_met=True)

    def _merge(self, *, only_met: bool) -> None:
        old = ((digest, met) for digest, met in zip(self._kept, self._met, strict=True) if met or not only_met)
        kept, all_met = array("Q"), bytearray()
        for digest, met in heapq.merge(old, ((digest, 1) for digest in sorted(self._added))):
            kept.append(digest)
            all_met.append(met)
        self._kept, self._met, self._added = kept, all_met, set()
