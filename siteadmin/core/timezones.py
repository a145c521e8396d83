"""Names of time zones, read alike wherever somebody gives one. Pure; settings read theirs with it."""

from zoneinfo import ZoneInfo

NOT_PLACES = frozenset({"localtime", "posixrules", "factory"})
"""Files beside the zones: the server's own time, of which neither the database nor anybody outside knows, and none."""
VARIANTS = ("posix/", "right/")
"""Folders of the same zones once more, the second with leap seconds; PostgreSQL knows neither."""


def find_zone(name: str) -> ZoneInfo | None:
    """Give the IANA time zone of this name, or None where there is none, also for paths and odd texts."""
    if not name or name.lower() in NOT_PLACES or name.startswith(VARIANTS):
        return None
    try:
        return ZoneInfo(name)
    # Unknown names are KeyErrors; folders, paths and odd texts are the others.
    except (KeyError, ValueError, OSError):
        return None
