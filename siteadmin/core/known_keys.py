"""API keys that this process has looked up lately, so that most requests need not ask the database for theirs.

Whoever writes keys says so by the time of a file, which every process on the machine looks at with each request: that
costs a microsecond, and a revoked key ends at once. Where several machines share a database, it ends on the others
when what they know has grown too old (settings.KNOWN_KEYS).
"""

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

if TYPE_CHECKING:
    from siteadmin.core.models import ApiKey

MOST_KEYS = 10_000
"""Keys remembered before all are forgotten; a site has a few dozen."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as it was looked up."""

    key: "ApiKey"
    change: int
    """What `latest_change` gave before the look-up."""
    until: float
    """How long it may be believed, by the process's monotonic clock."""


_known: dict[str, KnownKey] = {}


def latest_change() -> int:
    """Give the time of the latest write to a key on this machine, in nanoseconds; 0 where there was none."""
    try:
        return int(settings.KEYS_CHANGED.stat().st_mtime_ns)
    except FileNotFoundError:
        return 0


def tell_of_change(using: str) -> None:
    """Let every process look its keys up anew: at once, and when the caller's transaction has ended."""
    _touch()
    transaction.on_commit(_touch, using=using)


def recall(key_hash: str) -> "ApiKey | None":
    """Give the key with this hash where it was looked up lately, nothing was written since, and it has not expired."""
    known = _known.get(key_hash)
    if known is None or known.until < time.monotonic() or known.change != latest_change():
        return None
    expires_at = known.key.expires_at
    return known.key if expires_at is None or expires_at > timezone.now() else None


def remember(key: "ApiKey", *, change: int) -> None:
    """Remember a key that was looked up after `change` was read."""
    seconds = settings.KNOWN_KEYS.total_seconds()
    if not seconds:
        return
    if len(_known) >= MOST_KEYS:
        _known.clear()
    _known[key.key_hash] = KnownKey(key, change, time.monotonic() + seconds)


def _touch() -> None:
    path = settings.KEYS_CHANGED
    path.touch()
    # The file system's own clock ticks too slowly to tell two writes apart.
    now = time.time_ns()
    os.utime(path, ns=(now, now))
