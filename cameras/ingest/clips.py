"""Clips: what one is, and its frames; each is read by a child process under a deadline (`clip_child`)."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings

from cameras.ingest import clip_child
from cameras.ingest.decode import UndecodableError

FRAME_EVERY = timedelta(seconds=2)
MOST_FRAMES = 30
PROBE_DEADLINE = timedelta(seconds=20)
"""To open a clip and decode its first frame, on a busy machine."""
LONGEST_REASON = 300
DAMAGED = "The clip is damaged: it cannot be decoded."
CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}
"""By the suffix that a clip is stored under."""
# The decoder would also read playlists and other kinds that name further files or addresses.
_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
HEAD_BYTES = 12


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a clip is; `duration` is in seconds, None where the file does not say."""

    width: int
    height: int
    duration: float | None
    codec: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A JPEG of the frame at `offset` seconds from the clip's begin."""

    offset: float
    data: bytes


class ClipTooSlowError(Exception):
    """The clip was not read within its time."""


def suffix_of_clip(head: bytes, *, name: str = "") -> str | None:
    """Tell by its first bytes (and a QuickTime file by its name) what kind of clip it is; None for anything else."""
    if head[4:8] in _ATOMS:
        is_quicktime = head[8:12] == b"qt  " or (head[4:8] != b"ftyp" and not name.lower().endswith(".mp4"))
        return ".mov" if is_quicktime else ".mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return ".mkv"
    return ".avi" if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def probe_clip(file: IO[bytes]) -> ClipFacts:
    """Give what a clip is, after decoding its first frame; UndecodableError. `file` is a real one, opened."""
    try:
        with _reading(file, most=0, within=PROBE_DEADLINE) as output:
            line = output.readline()
    except ClipTooSlowError as error:
        raise UndecodableError("The clip cannot be read in time.") from error
    return _facts(line)


def read_frames(file: IO[bytes], *, within: timedelta) -> Iterator[Frame]:
    """Give a frame every 2 s, at most 30.

    UndecodableError where none decodes; ClipTooSlowError when the time is over, after the frames read till then.
    """
    with _reading(file, most=MOST_FRAMES, within=within) as output:
        output.readline()
        while line := output.readline():
            head = json.loads(line)
            data = output.read(head["size"])
            if len(data) < head["size"]:
                return  # the child ended in the midst of it
            yield Frame(head["offset"], data)


def _facts(line: bytes) -> ClipFacts:
    try:
        facts = json.loads(line)
    except ValueError as error:
        raise UndecodableError(DAMAGED) from error
    return ClipFacts(facts["width"], facts["height"], facts["duration"], facts["codec"])


@contextlib.contextmanager
def _reading(file: IO[bytes], *, most: int, within: timedelta) -> Iterator[IO[bytes]]:
    """Run the child on an open file, and end it in any case; its refusal is raised as soon as it is known."""
    path = f"/dev/fd/{file.fileno()}"
    arguments = [path, str(FRAME_EVERY.total_seconds()), str(most), str(settings.MAX_IMAGE_PIXELS)]
    command = [sys.executable, "-I", str(Path(clip_child.__file__)), *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own program on an open file
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(file.fileno(),),
        env={"PATH": "/usr/bin:/bin"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    is_late = threading.Event()
    complaints: list[bytes] = []

    def end() -> None:
        is_late.set()
        process.kill()

    errors = process.stderr
    listener = threading.Thread(target=lambda: complaints.append(errors.read()), daemon=True)
    timer = threading.Timer(within.total_seconds(), end)
    timer.daemon = True
    listener.start()
    timer.start()
    try:
        yield process.stdout
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        listener.join(timeout=5)
        process.stdout.close()
        process.stderr.close()
    if is_late.is_set():
        raise ClipTooSlowError
    if status:
        said = b"".join(complaints).decode(errors="replace").strip()[-LONGEST_REASON:]
        raise UndecodableError(said if said.startswith("The clip") else DAMAGED)
