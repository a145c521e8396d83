"""Signs of life of what leaves no other trace: beat, whose sweep a worker runs every few seconds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

KEY = "heartbeat:beat"
WATCHER_KEY = "heartbeat:watcher"
LOOSE = "loose"
"""Stands for a suffix with files that lie in no camera's folder."""
WATCHER_SILENT = timedelta(seconds=60)
"""Without a sign for so long the watcher was away; it notes one every few seconds."""


@dataclass(frozen=True, slots=True)
class WatcherLife:
    """Since when the watcher has been there without a longer pause, and when it was last seen."""

    since: datetime
    seen_at: datetime
    left: dict[str, int]
    """Files that it left where they are: of kinds that are not taken, by suffix; in no camera's folder, as `LOOSE`."""


def note_beat() -> None:
    """Note that beat asked for something just now; a cache that is down forgets it without harm."""
    try:
        cache.set(KEY, timezone.now().timestamp(), timeout=None)
    except (RedisError, OSError) as error:
        logger.warning("heartbeat_not_noted", error=str(error))


def last_beat() -> datetime | None:
    """Give when beat last asked for something, None where nothing is known; RedisError where the cache is down."""
    seen = cache.get(KEY)
    return None if seen is None else datetime.fromtimestamp(seen, tz=UTC)


def note_watcher(*, left: dict[str, int]) -> None:
    """Note that the watcher is there, and how many files of other kinds it left alone."""
    now = timezone.now()
    try:
        life = watcher_life()
        since = life.since if life is not None and now - life.seen_at <= WATCHER_SILENT else now
        cache.set(WATCHER_KEY, [since.timestamp(), now.timestamp(), left], timeout=None)
    except (RedisError, OSError) as error:
        logger.warning("heartbeat_not_noted", error=str(error))


def watcher_life() -> WatcherLife | None:
    """Give what is known of the watcher, None where nothing is; RedisError where the cache is down."""
    known = cache.get(WATCHER_KEY)
    if known is None:
        return None
    since, seen_at, left = known
    return WatcherLife(datetime.fromtimestamp(since, tz=UTC), datetime.fromtimestamp(seen_at, tz=UTC), left)
