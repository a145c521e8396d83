"""A camera's folder as its FTP session sees it: what arrives is seen whole or not at all.

An upload is written into a hidden folder that the watcher leaves alone and moved into place once it is whole. A file
that still waits under the same name is another picture: the new one goes beside it.
"""

import contextlib
import errno
import os
import shutil
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from pyftpdlib.filesystems import AbstractedFS

from cameras.ingest.decode import UndecodableError, decode_picture
from cameras.ingest.names import AGAIN
from cameras.ingest.stability import Kind, kind_of

WORK_FOLDER = ".ftp"
REMEMBERED = 200
"""Uploads a session may still ask for (their size, a rename) after the watcher took them."""
CHECK_SPACE_EVERY = 8 * 1024 * 1024


def is_full(folder: str) -> bool:
    """Tell whether less is free than is to stay free."""
    return shutil.disk_usage(folder).free < settings.FTP_MIN_FREE_BYTES


def remove_leftovers(home: Path) -> int:
    """Remove what a server that was killed left half written; gives how many files."""
    leftovers = list((home / WORK_FOLDER).glob("*.part"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


class Upload:
    """A file being received; `finish` moves it into place, anything else leaves nothing behind."""

    def __init__(self, path: str, files: "CameraFiles", *, append: bool) -> None:
        self.name = path
        self.size = 0
        self._files = files
        self._checked = 0
        self._replaces = append
        work = Path(files.root, WORK_FOLDER)
        work.mkdir(exist_ok=True)
        self._temporary = work / f"{uuid.uuid4().hex}.part"
        self._file: IO[bytes] = self._temporary.open("xb")
        if append and Path(path).is_file():
            try:
                with Path(path).open("rb") as before:
                    shutil.copyfileobj(before, self._file)
            except OSError:
                self.close()
                raise
            self.size = self._file.tell()

    @property
    def closed(self) -> bool:
        """Whether it is finished or gone."""
        return self._file.closed

    def write(self, data: bytes) -> None:
        """Take more of it; OSError where the disk is full."""
        self.size += len(data)
        if self.size - self._checked > CHECK_SPACE_EVERY:
            self._checked = self.size
            if is_full(self._files.root):
                raise OSError(errno.ENOSPC, "less is free than is to stay free")
        self._file.write(data)

    def is_whole(self) -> bool:
        """Tell whether it is a picture that decodes whole."""
        if kind_of(self.name) is not Kind.PICTURE or self.size > settings.MAX_UPLOAD_BYTES:
            return False
        try:
            self._file.flush()
            decode_picture(self._temporary.read_bytes())
        except (OSError, UndecodableError):
            return False
        return True

    def finish(self) -> None:
        """Move it into place; OSError where that fails, and then nothing is kept."""
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._file.close()
            target = self.name if self._replaces else self._files.free_path(self.name)
            self._temporary.replace(target)
        except OSError:
            self.close()
            raise
        self._files.remember(self.name, self.size)

    def close(self) -> None:
        """Drop it, unless it is finished."""
        with contextlib.suppress(OSError):  # what is left in the buffer may find no room either
            self._file.close()
        self._temporary.unlink(missing_ok=True)


class CameraFiles(AbstractedFS):  # type: ignore[misc]  # pyftpdlib is untyped
    """A camera's folder: nothing outside it, no link followed out of it, nothing overwritten that still waits."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._stored: OrderedDict[str, int] = OrderedDict()

    def validpath(self, path: str) -> bool:
        """Tell whether a path lies in the folder and is not where uploads grow."""
        return bool(super().validpath(path)) and Path(path, "x").relative_to(self.root).parts[0] != WORK_FOLDER

    def remember(self, path: str, size: int) -> None:
        """Note what was stored: it may be taken in before the camera asks for it again."""
        self._stored[path] = size
        if len(self._stored) > REMEMBERED:
            self._stored.popitem(last=False)

    def free_path(self, path: str) -> str:
        """Give a path below the folder under which nothing waits, its folders made."""
        root = Path(self.root)
        candidate, number = Path(path), 0
        while candidate.is_symlink() or candidate.is_file():
            number += 1
            candidate = root / AGAIN.format(number=number) / Path(path).relative_to(root)
        candidate.parent.mkdir(parents=True, exist_ok=True)
        return str(candidate)

    def open(self, filename: str, mode: str) -> Upload:
        """Begin an upload; cameras that name folders without making them get these made."""
        path = Path(filename)
        if "r" in mode:
            raise PermissionError(errno.EACCES, "Files are not given out")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        if len(os.fsencode(path.name)) > os.pathconf(self.root, "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        path.parent.mkdir(parents=True, exist_ok=True)
        return Upload(filename, self, append="a" in mode)

    def chdir(self, path: str) -> None:
        """Change the session's folder, not the process's."""
        if not Path(path).is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such directory")
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        """List a folder without where uploads grow."""
        return [entry.name for entry in Path(path).iterdir() if entry.name != WORK_FOLDER]

    def lexists(self, path: str) -> bool:
        """Tell whether a file is there, or was sent by this session and taken in since."""
        return path in self._stored or bool(super().lexists(path))

    def isfile(self, path: str) -> bool:
        """Tell whether a file is there, or was sent by this session and taken in since."""
        return path in self._stored or Path(path).is_file()

    def getsize(self, path: str) -> int:
        """Give a file's size."""
        try:
            return Path(path).stat().st_size
        except FileNotFoundError:
            if path not in self._stored:
                raise
            return self._stored[path]

    def rename(self, src: str, dst: str) -> None:
        """Rename a file; one that was taken in since keeps the name it came under."""
        if Path(dst).is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        try:
            Path(src).rename(self.free_path(dst))
        except FileNotFoundError:
            if src not in self._stored:
                raise
        self.remember(dst, self._stored.pop(src, 0))

    def remove(self, path: str) -> None:
        """Delete a file; one that was taken in since is gone from here already."""
        was_sent = self._stored.pop(path, None) is not None
        Path(path).unlink(missing_ok=was_sent)
