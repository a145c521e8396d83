"""What an upload's path says: the camera's local wall-clock time, why the picture was taken, and who sent it.

Pure. A vendor is one row of `vendors.VENDORS`; what no row knows goes through the general fall-backs. A path never
raises: what cannot be read is simply not stated.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cameras.choices import Trigger
from cameras.ingest.vendors import DATE as _DATE
from cameras.ingest.vendors import IP, MAC, VENDORS
from cameras.ingest.vendors import TIME as _TIME


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the path says the camera is; empty: it does not say."""

    maker: str = ""
    serial: str = ""
    mac: str = ""
    """As `00:12:3E:45:E0:60`."""
    ip: str = ""
    alias: str = ""
    """The name that somebody gave the camera."""


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a path states: the camera's own local time (naive, None: not stated), trigger, channel and camera."""

    stated: datetime | None = None
    trigger: Trigger = Trigger.UNKNOWN
    channel: int | None = None
    identity: Identity = field(default_factory=Identity)


AGAIN = "again-{number}"
"""The folder, on top of the rest of the path, of an upload whose name is still taken by one that waits."""
_AGAIN = re.compile(r"\Aagain-\d+/", re.ASCII)

# Marks that say "timer" or "manual" whoever made the camera; nothing else makes a picture a timer's.
_TIMER_MARKS = re.compile(r"(?:\A|[_\-. ])Schedule_|(?<![A-Z])TIMING(?![A-Z])|\[R\]", re.ASCII)
_MANUAL_MARKS = re.compile(r"(?<![A-Za-z])(?:MANUAL|Manual)(?![a-z])", re.ASCII)
_ANY_MAC = re.compile(rf"(?<![0-9A-Za-z])(?=[0-9:-]*[A-F]){MAC}(?![0-9A-Za-z])", re.IGNORECASE | re.ASCII)
_ANY_IP = re.compile(rf"(?<![\d.]){IP}(?![\d.]*\d)", re.ASCII)

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


def name_as_uploaded(path: str) -> str:
    """Give the path below the camera's folder as the camera said it."""
    return _AGAIN.sub("", path)


def read_name(path: str) -> NameFacts:
    """Read an uploaded file's path below the camera root or its camera's folder, or its bare name."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if not parts:
        return NameFacts()
    clean = "/".join(parts)
    for vendor in VENDORS:
        match = vendor.pattern.search(clean)
        groups = {} if match is None else match.groupdict()
        stated = _moment(groups) if groups else None
        if stated is not None:
            channel = groups.get("channel")
            return NameFacts(
                stated,
                vendor.trigger_of(groups.get("mark")),
                None if channel is None else int(channel),
                _identity(clean, groups, maker=vendor.name),
            )
    name = parts[-1]
    trigger = Trigger.UNKNOWN
    if _TIMER_MARKS.search(name):
        trigger = Trigger.TIMER
    elif _MANUAL_MARKS.search(name):
        trigger = Trigger.MANUAL
    stated = next((moment for read in _FALL_BACKS if (moment := read(parts)) is not None), None)
    return NameFacts(stated, trigger, None, _identity(clean, {}, maker=""))


def _identity(path: str, groups: Mapping[str, str | None], *, maker: str) -> Identity:
    """Say who sent it, from what the vendor's row found or what stands anywhere in the path."""
    mac = groups.get("mac") or next((found.group() for found in _ANY_MAC.finditer(path)), "")
    hexes = re.sub(r"[-:]", "", mac).upper()
    return Identity(
        maker=maker,
        serial=groups.get("serial") or "",
        mac=":".join(hexes[index : index + 2] for index in range(0, len(hexes), 2)),
        ip=groups.get("ip") or next((found.group() for found in _ANY_IP.finditer(path) if _is_ip(found.group())), ""),
        alias=(groups.get("alias") or "").strip(),
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


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
