"""Which camera the files of a folder outside the camera root belong to, for taking in archives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cameras.ingest.scan import look_at, walk
from cameras.ingest.stability import Kind, kind_of

_INNER = re.compile(r"snap|record|jpg|pic\w*|\d{4}[-_.]?\d\d[-_.]?\d\d|\d{1,4}", re.IGNORECASE | re.ASCII)
"""Folders that cameras make for themselves: kinds of media, dates, hours, channels."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file, the folder that names its camera, and its path below that."""

    path: Path
    folder: str
    name: str
    is_taken: bool


def files_of_tree(path: Path, *, is_camera_folder: bool | None = None) -> Iterator[TreeFile]:
    """Give the files at or below a path, each with its camera's folder.

    A single file's is the nearest folder above it that a camera did not make for itself. A folder is one camera's if
    it holds such folders (`snap`, dates, hours) or nothing but files; else each folder in it is a camera's.
    """
    if not path.is_dir():
        owner = next((parent for parent in path.parents if not _INNER.fullmatch(parent.name)), path.parent)
        yield _tree_file(path, owner)
        return
    single = _is_one_camera(path) if is_camera_folder is None else is_camera_folder
    for found in walk(str(path), on_unreadable=_refuse):
        file = Path(found.path)
        top = file.relative_to(path).parts[0]
        owner = path if single or file.parent == path else path / top
        yield _tree_file(file, owner)


def _tree_file(path: Path, owner: Path) -> TreeFile:
    is_taken = kind_of(path.name) in (Kind.PICTURE, Kind.CLIP) and look_at(str(path)) is not None
    return TreeFile(path, owner.name, path.relative_to(owner).as_posix(), is_taken)


def _is_one_camera(path: Path) -> bool:
    folders = [entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return not folders or any(_INNER.fullmatch(folder.name) for folder in folders)


def _refuse(folder: str, error: OSError) -> None:
    raise error
