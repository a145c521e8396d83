"""Signs of life of what leaves no other trace: beat, whose sweep a worker runs every few seconds."""

from datetime import UTC, datetime

import structlog
from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

KEY = "heartbeat:beat"


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
