"""Looking at clips: a frame every 2 s is asked about like a picture, and those with objects on them are kept."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from cameras.ingest.clips import ClipTooSlowError, Frame, read_frames
from cameras.ingest.decode import UndecodableError
from cameras.models import Snapshot
from events.detectors.base import FoundObject, Picture
from events.exceptions import PictureNotUsableError
from events.models import Detection
from siteadmin.core import media

logger = structlog.get_logger(__name__)

OFFSET = "offset_seconds"
"""The attribute that says how far into the clip an object was seen."""
LOOK_WITHIN = timedelta(seconds=15)
"""For all frames of a clip together; with one call of the detector's more still below the step's time limit."""
FRAMES_ROOT_NAME = "frames"


@dataclass(slots=True)
class ClipLook:
    """What was seen on a clip; `frames` are the stored pictures by offset."""

    found: list[FoundObject] = field(default_factory=list)
    frames: dict[str, str] = field(default_factory=dict)
    note: str = ""


def look_at_clip(snapshot: Snapshot, *, look: Callable[[Picture], list[FoundObject]]) -> ClipLook:
    """Ask about the clip's frames by `look`, which gives what counts; raises what it raises.

    PictureNotUsableError where no frame decodes. When the time is over, what was seen until then counts.
    """
    seen, looked_at = ClipLook(), 0
    before: bytes | None = None
    with media.open_file(snapshot.file) as file:
        try:
            for frame in read_frames(file, within=LOOK_WITHIN):
                found = look(Picture(frame.data, before=before))
                looked_at, before = looked_at + 1, frame.data
                if found:
                    seen.found += [_with_offset(one, frame.offset) for one in found]
                    seen.frames[frame_key(frame.offset)] = _store(frame, snapshot)
        except UndecodableError as error:
            if not looked_at:
                raise PictureNotUsableError(str(error)) from error
            seen.note = f"The clip is damaged: its first {looked_at} frames were looked at"
        except (ClipTooSlowError, SoftTimeLimitExceeded):
            if not looked_at:
                raise
            seen.note = f"Looking took too long: the first {looked_at} frames were looked at"
    return seen


def frame_key(offset: float) -> str:
    """Give the key of a frame in `Snapshot.frames`."""
    return f"{offset:.3f}"


def offset_of(detection: Detection | FoundObject) -> float | None:
    """Give how far into its clip an object was seen; None on a picture."""
    offset = detection.attributes.get(OFFSET)
    return float(offset) if isinstance(offset, int | float) else None


def _with_offset(one: FoundObject, offset: float) -> FoundObject:
    return dataclasses.replace(one, attributes={**one.attributes, OFFSET: offset})


def frames_folder(snapshot_id: int) -> str:
    """Give the folder of a clip's frames.

    It is the snapshot's own: all in it goes with the snapshot, what a failed try left too, without a look at others.
    """
    return f"{FRAMES_ROOT_NAME}/{snapshot_id}"


def _store(frame: Frame, snapshot: Snapshot) -> str:
    sha256 = hashlib.sha256(frame.data).hexdigest()
    return media.store(BytesIO(frame.data), sha256=sha256, suffix=".jpg", prefix=frames_folder(snapshot.pk))
