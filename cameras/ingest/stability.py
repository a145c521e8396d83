"""When an uploaded file is whole. Pure: looks at a file and the monotonic clock are passed in.

- moved into place: whole at once;
- closed after writing (or long untouched when we first see it): whole if it decodes, so it may be *tried*;
- anything else: whole when its size and time of change have stood still for the stable span.

Names that start with a dot or end like a temporary one wait for their final name and are never looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from pathlib import PurePath

TEMPORARY_ENDINGS = (".tmp", ".part", ".filepart", "_")
UNSUPPORTED_SUFFIXES = frozenset({".heic", ".heif", ".avif", ".gif", ".tif", ".tiff"})
"""Pictures that are not decoded; they are taken in as failed, so that somebody learns of it."""
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp"}) | UNSUPPORTED_SUFFIXES
CLIP_SUFFIXES = frozenset({".mp4", ".mkv", ".avi", ".mov"})


class Evidence(Enum):
    """What tells us that a file may be whole."""

    SEEN = auto()
    CLOSED = auto()
    MOVED = auto()


class Verdict(Enum):
    """What to do with a file now."""

    WAIT = auto()
    TRY = auto()
    """Take it if it decodes; if not, it waits on."""
    TAKE = auto()
    """Take it as it is; one that does not decode has failed."""


class Kind(Enum):
    """What a file is by its name."""

    PICTURE = auto()
    CLIP = auto()
    UNFINISHED = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a file: bytes, and time of modification in nanoseconds."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class _Known:
    look: Look
    since: float


def kind_of(name: str) -> Kind:
    """Tell what a file is by its name."""
    lowered = PurePath(name).name.lower()
    if not lowered or lowered.startswith(".") or lowered.endswith(TEMPORARY_ENDINGS):
        return Kind.UNFINISHED
    suffix = PurePath(lowered).suffix
    if suffix in CLIP_SUFFIXES:
        return Kind.CLIP
    return Kind.PICTURE if suffix in PICTURE_SUFFIXES else Kind.OTHER


class WaitingFiles:
    """The files that are known and may still grow."""

    def __init__(self, *, stable: timedelta) -> None:
        self._stable = stable.total_seconds()
        self._files: dict[str, _Known] = {}
        self._tried: dict[str, _Known] = {}
        """Those that may be tried now: apart, so that however many they are, nothing looks at them all."""

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def note(self, path: str, look: Look, evidence: Evidence, *, now: float) -> Verdict:
        """Note a look at a file and tell what to do with it now; only one that is to wait waits on here."""
        known = self._files.pop(path, None) or self._tried.pop(path, None)
        if known is None or known.look != look:
            known = _Known(look, now)  # what changed is a new file as far as waiting goes
        if evidence is Evidence.MOVED or self._stands_still(known, now=now):
            return Verdict.TAKE
        if evidence is Evidence.CLOSED:
            self._tried[path] = known
            return Verdict.TRY
        self._files[path] = known
        return Verdict.WAIT

    def undecided(self, path: str, look: Look, *, now: float) -> None:
        """Note that a file that was tried does not decode: from here on only standing still makes it whole."""
        known = self._tried.pop(path, None)
        self._files[path] = known if known is not None and known.look == look else _Known(look, now)

    def forget(self, path: str) -> None:
        """Drop a file that was taken or is gone."""
        self._files.pop(path, None)
        self._tried.pop(path, None)

    def due(self, *, now: float) -> Iterator[str]:
        """Give the files worth another look now; the looks may show that they grew."""
        for path, known in list(self._files.items()):
            if self._stands_still(known, now=now):
                yield path

    def _stands_still(self, known: _Known, *, now: float) -> bool:
        return now - known.since >= self._stable
