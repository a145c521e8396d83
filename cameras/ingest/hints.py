"""What the kernel tells of the camera root (inotify, through watchdog). Hints: what it misses, a walk finds."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

from cameras.ingest.stability import Evidence

WANTED: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


@dataclass(frozen=True, slots=True)
class Hint:
    """What an event says of a path; `folder`: look at all below it."""

    path: str
    evidence: Evidence
    folder: bool = False


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into hints, in the observer's thread."""

    def __init__(self, tell: Callable[[Hint], None]) -> None:
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, (FileMovedEvent, DirMovedEvent))
        path = os.fsdecode(event.dest_path if moved else event.src_path)
        if not path:
            return  # moved out of the root
        if event.is_directory:
            # Who moves a folder in has finished its files, unless one of them is still open: tried, not taken.
            self._tell(Hint(path, Evidence.CLOSED if moved else Evidence.SEEN, folder=True))
        elif moved:
            self._tell(Hint(path, Evidence.MOVED))
        else:
            self._tell(Hint(path, Evidence.CLOSED if isinstance(event, FileClosedEvent) else Evidence.SEEN))


class RootObserver:
    """Has the root observed, and tells what happens in it."""

    def __init__(self, root: str, *, tell: Callable[[Hint], None]) -> None:
        self._root = root
        self._tell = tell
        self._observer: InotifyObserver | None = None
        self._observed: tuple[int, int] | None = None

    @property
    def is_started(self) -> bool:
        """Whether the root has been observed since it was last let go."""
        return self._observer is not None

    def observe(self) -> None:
        """Observe the root, which is made if need be, anew where it was replaced; OSError where that cannot be."""
        root = Path(self._root)
        root.mkdir(parents=True, exist_ok=True)
        status = root.stat()
        if self._observed == (status.st_dev, status.st_ino) and self._is_alive():
            return
        self.stop()
        observer = InotifyObserver(generate_full_events=True)
        observer.schedule(_Handler(self._tell), self._root, recursive=True, event_filter=WANTED)
        observer.start()
        self._observer, self._observed = observer, (status.st_dev, status.st_ino)

    def stop(self) -> None:
        """Let the root go."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _is_alive(self) -> bool:
        return self._observer is not None and all(emitter.is_alive() for emitter in self._observer.emitters)
