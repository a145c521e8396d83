"""What a file's name says: the camera's local wall-clock time and why the picture was taken.

Pure. A vendor is one row of `VENDORS`; what no row knows goes through the general fall-backs. A name never raises:
what cannot be read is simply not stated.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cameras.choices import Trigger


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a name states: the camera's own local time (naive, None: not stated) and the trigger."""

    stated: datetime | None = None
    trigger: Trigger = Trigger.UNKNOWN


@dataclass(frozen=True, slots=True)
class Vendor:
    """One maker's way of naming: a pattern over the file's name, with named groups y m d H M S (ms) and `mark`.

    `triggers` says what a mark means, in lower case.
    """

    name: str
    pattern: re.Pattern[str]
    triggers: Mapping[str, Trigger]


_DATE = r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)"
_TIME = r"(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)"

VENDORS: tuple[Vendor, ...] = (
    # <MODEL>_<MAC>/snap/MDAlarm_20260314-215800.jpg; H: human motion; Schedule: the timer's
    Vendor(
        "Foscam HD",
        re.compile(rf"\A(?P<mark>MDAlarm|HMDAlarm|Schedule)_{_DATE}[-_]{_TIME}(?!\d)", re.IGNORECASE | re.ASCII),
        {"mdalarm": Trigger.ALARM, "hmdalarm": Trigger.ALARM, "schedule": Trigger.TIMER},
    ),
)

# Marks that say "timer" whoever made the camera; nothing else makes a picture a timer's.
_TIMER_MARKS = re.compile(r"(?:\A|[_\-. ])Schedule_|(?<![A-Z])TIMING(?![A-Z])|\[R\]", re.ASCII)

# From the most to the least telling. In a name the last match counts: what comes before is the camera's own name.
_IN_NAME: tuple[re.Pattern[str], ...] = (
    re.compile(rf"(?<!\d){_DATE}{_TIME}(?P<ms>\d\d\d)(?!\d)", re.ASCII),
    re.compile(rf"(?<!\d){_DATE}{_TIME}(?!\d)", re.ASCII),
    re.compile(rf"(?<!\d){_DATE}[-_ .T@]{{1,3}}{_TIME}(?P<ms>\d\d\d)?(?!\d)", re.ASCII),
    re.compile(
        r"(?<!\d)(?P<y>(?:19|20)\d\d)[-_.](?P<m>\d\d)[-_.](?P<d>\d\d)(?:[-_ .T@]{1,3}|(?: at ))"
        r"(?P<H>\d\d)[-_.:hH]?(?P<M>\d\d)[-_.:mM]?(?P<S>\d\d)(?:[-_.,:](?P<ms>\d\d\d))?(?!\d)",
        re.ASCII,
    ),
)

_DATE_FOLDER = re.compile(r"(?P<y>(?:19|20)\d\d)[-_.]?(?P<m>\d\d)[-_.]?(?P<d>\d\d)", re.ASCII)
_HOUR_FOLDER = re.compile(r"(?P<H>\d\d)(?:[hH]|[-_]?hours?)?", re.ASCII)
_TWO_DIGITS = re.compile(r"\d\d", re.ASCII)
_FULL_TIME = re.compile(
    r"(?P<H>\d\d)(?:[-_.:hH](?P<M>\d\d)[-_.:mM](?P<S>\d\d)|(?P<M2>\d\d)(?P<S2>\d\d))(?!\d)(?:[-_.,](?P<ms>\d\d\d)(?!\d))?",
    re.ASCII,
)
_MINUTE_SECOND = re.compile(r"(?P<M>\d\d)[-_.:mM]?(?P<S>\d\d)(?!\d)", re.ASCII)
_SECOND = re.compile(r"(?P<S>\d\d)(?!\d)", re.ASCII)


def read_name(path: str) -> NameFacts:
    """Read an uploaded file's path below its camera's folder, or its bare name."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if not parts:
        return NameFacts()
    name = parts[-1]
    for vendor in VENDORS:
        match = vendor.pattern.search(name)
        stated = None if match is None else _moment(match.groupdict())
        if match is not None and stated is not None:
            return NameFacts(stated, vendor.triggers.get(match["mark"].lower(), Trigger.UNKNOWN))
    trigger = Trigger.TIMER if _TIMER_MARKS.search(name) else Trigger.UNKNOWN
    for read in _FALL_BACKS:
        stated = read(parts)
        if stated is not None:
            return NameFacts(stated, trigger)
    return NameFacts(None, trigger)


def _from_name(parts: list[str]) -> datetime | None:
    """Read a date and time that stand together in the name."""
    for pattern in _IN_NAME:
        for match in reversed(list(pattern.finditer(parts[-1]))):
            stated = _moment(match.groupdict())
            if stated is not None:
                return stated
    return None


def _from_folders(parts: list[str]) -> datetime | None:
    """Read a date from the folders and the time from what comes after it, hour and minute folders included."""
    *folders, name = parts
    found = _date_of(folders)
    if found is None:
        return None
    date, after = found
    rest = folders[after:]
    match = _FULL_TIME.match(name)
    if match is not None:
        return _moment({**date, **_merged(match)})
    if rest and (hour := _HOUR_FOLDER.fullmatch(rest[-1])) and (match := _MINUTE_SECOND.match(name)):
        return _moment({**date, **hour.groupdict(), **match.groupdict()})
    if (
        len(rest) > 1
        and (hour := _HOUR_FOLDER.fullmatch(rest[-2]))
        and _TWO_DIGITS.fullmatch(rest[-1])
        and (match := _SECOND.match(name))
    ):
        return _moment({**date, **hour.groupdict(), "M": rest[-1], **match.groupdict()})
    return None


_FALL_BACKS: tuple[Callable[[list[str]], datetime | None], ...] = (_from_name, _from_folders)


def _date_of(folders: list[str]) -> tuple[dict[str, str], int] | None:
    """Find the last date among the folders, in one or over three of them; give it and where the rest begins."""
    for index in range(len(folders) - 1, -1, -1):
        match = _DATE_FOLDER.fullmatch(folders[index])
        if match is not None:
            return match.groupdict(), index + 1
        match = _DATE_FOLDER.fullmatch("-".join(folders[index - 2 : index + 1])) if index >= 2 else None
        if match is not None:
            return match.groupdict(), index + 1
    return None


def _merged(match: re.Match[str]) -> dict[str, str | None]:
    groups = match.groupdict()
    return {"H": groups["H"], "M": groups["M"] or groups["M2"], "S": groups["S"] or groups["S2"], "ms": groups["ms"]}


def _moment(groups: Mapping[str, str | None]) -> datetime | None:
    """Make the time of these digits; None where there is no such date or time."""
    year, month, day, hour, minute, second, milli = (
        int(groups.get(k) or 0) for k in ("y", "m", "d", "H", "M", "S", "ms")
    )
    try:
        return datetime(year, month, day, hour, minute, second, milli * 1000)  # noqa: DTZ001 - a camera's wall clock
    except ValueError:
        return None
