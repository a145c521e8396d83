"""Which time a picture is put under. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""A camera that lost power starts in 1970 or 2000; no picture that is taken in today is older than this."""
AHEAD = timedelta(minutes=5)
"""How far a camera's clock may run ahead of its picture's arrival."""


def choose_captured_at(
    *, stated: datetime | None, file_time: datetime | None, zone: ZoneInfo, arrived_at: datetime
) -> datetime:
    """Give the aware time of capture.

    `stated` is the camera's wall clock (naive) or an aware time; the hour that autumn repeats counts as the first of
    the two. Without it the file's time counts. A time that cannot be is replaced by the arrival's.
    """
    if stated is not None:
        # A wall clock's fold is 0: the first pass through a repeated hour.
        moment = stated.replace(tzinfo=zone) if stated.tzinfo is None else stated
    elif file_time is not None:
        moment = file_time
    else:
        return arrived_at
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return arrived_at
    return moment if EARLIEST <= moment <= arrived_at + AHEAD else arrived_at


def moment_in_clip(captured_at: datetime, *, offset: float, arrived_at: datetime) -> datetime:
    """Give the time of the frame so many seconds into a clip; a damaged clip's never lies beyond its arrival."""
    latest = max(captured_at, arrived_at + AHEAD)
    try:
        return min(captured_at + timedelta(seconds=offset), latest)
    except OverflowError:
        return latest


def find_clock_fault(stated: datetime, *, zone: ZoneInfo, arrived_at: datetime) -> str:
    """Say what is wrong with the time that a camera states, or nothing."""
    try:
        moment = (stated.replace(tzinfo=zone) if stated.tzinfo is None else stated).astimezone(UTC)
    except OverflowError:
        return "Its time cannot be."
    if moment < EARLIEST:
        return "Its clock is before 2010, as after a power cut."
    if moment > arrived_at + AHEAD:
        return "Its clock or time zone is more than 5 minutes ahead."
    return ""


def format_stated(stated: datetime | None) -> str:
    """Give the stated time as kept in a snapshot's identity: local where it was local, in UTC where it was aware."""
    if stated is None:
        return ""
    if stated.tzinfo is None:
        return stated.isoformat()
    return stated.astimezone(UTC).isoformat()
