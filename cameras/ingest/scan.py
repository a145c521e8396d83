"""Walking through the camera root, entry by entry, so that a million files need no memory."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cameras.ingest.stability import Look


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file met on a walk; `changed` is when it last changed in any way, in seconds of the wall clock."""

    path: str
    look: Look
    changed: float


def look_at(path: str) -> Found | None:
    """Look at a file without following links; None for what is gone, unreadable or no plain file."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    # Writing and renaming set the time of change; nobody can set it back.
    return Found(path, Look(status.st_size, status.st_mtime_ns), max(status.st_mtime, status.st_ctime))


def walk(folder: str, *, on_unreadable: Callable[[str, OSError], None]) -> Iterator[Found]:
    """Give the plain files in a folder and below it; never through a link.

    Folders with the highest name come first: where they are named by date, the newest. Hidden ones are left out.
    """
    stack = [folder]
    while stack:
        current = stack.pop()
        folders: list[str] = []
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith("."):
                            folders.append(entry.path)
                    elif (found := look_at(entry.path)) is not None:
                        yield found
        except FileNotFoundError:
            continue
        except OSError as error:
            on_unreadable(current, error)
        stack.extend(sorted(folders))
