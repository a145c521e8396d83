"""When an uploaded file is whole. Pure: looks at a file and the monotonic clock are passed in.

- moved into place: whole at once;
- closed after writing (or long untouched when we first see it): whole if it decodes, so it may be *tried*;
- anything else: whole when its size and time of change have stood still for the stable span.

Names that start with a dot or end like a temporary one wait for their final name and are never looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
class _Waiting:
    look: Look
    since: float
    evidence: Evidence


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
    """The files that are known and not yet taken."""

    def __init__(self, *, stable: timedelta) -> None:
        self._stable = stable.total_seconds()
        self._files: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def note(self, path: str, look: Look, evidence: Evidence, *, now: float) -> Verdict:
        """Note a look at a file and tell what to do with it now."""
        known = self._files.get(path)
        if known is None or known.look != look:
            # What changed is a new file as far as waiting goes, but for what this very look tells.
            known = _Waiting(look, now, evidence)
        elif evidence is not Evidence.SEEN:
            known = replace(known, evidence=evidence)
        self._files[path] = known
        return self._verdict(known, now=now)

    def undecided(self, path: str, look: Look, *, now: float) -> None:
        """Note that a file that was tried does not decode: from here on only standing still makes it whole."""
        known = self._files.get(path)
        since = known.since if known is not None and known.look == look else now
        self._files[path] = _Waiting(look, since, Evidence.SEEN)

    def forget(self, path: str) -> None:
        """Drop a file that was taken or is gone."""
        self._files.pop(path, None)

    def due(self, *, now: float) -> Iterator[str]:
        """Give the files worth another look now; the looks may show that they grew."""
        for path, known in list(self._files.items()):
            if self._verdict(known, now=now) is not Verdict.WAIT:
                yield path

    def _verdict(self, known: _Waiting, *, now: float) -> Verdict:
        if known.evidence is Evidence.MOVED or now - known.since >= self._stable:
            return Verdict.TAKE
        return Verdict.TRY if known.evidence is Evidence.CLOSED else Verdict.WAIT
