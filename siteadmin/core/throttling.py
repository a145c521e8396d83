"""How often somebody may ask the API: one counter in Redis for each caller and scope.

While much of a quota is left, a process counts several requests at once and hands them out without asking again, so
that most requests cost no round trip; what another process does not hand out of its share is at most a hundredth of
the quota. Towards the end of a quota each request is counted on its own.

A window opens with a caller's first request and lasts as long as the rate says; what is left of it stands in the
`RateLimit` headers of draft-ietf-httpapi-ratelimit-headers-11, which a fixed window fills exactly. Callers are keys
and users; who is neither counts by address (an IPv6 network of 64 bits), which TrustedProxyMiddleware has settled.

Where Redis does not answer, nobody is refused: the limits guard the site against haste, logins are guarded by the
database. It is logged and counted, and Redis is left alone for a moment, so that reads stay fast meanwhile.
"""

import ipaddress
import math
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import RedisError
from redis.retry import Retry
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from siteadmin.core import metrics
from siteadmin.core.exceptions import RateLimitError
from siteadmin.core.permissions import READING_METHODS, role_of
from siteadmin.core.principals import KeyPrincipal
from siteadmin.core.rates import Rate
from siteadmin.core.roles import Role

logger = structlog.get_logger(__name__)

COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
TIMEOUT_SECONDS = 0.25
"""A Redis on the same machine answers within a thousandth of it."""
LEFT_ALONE_SECONDS = 2.0
"""How long Redis is not asked after it did not answer."""
SHARE_PARTS = 200
"""A process counts at most one part in so many of what is left at once."""
LARGEST_SHARE = 20
"""Requests counted at once: the round trip is then a twentieth of its cost, and more would save little."""
MOST_SHARES = 10_000
"""Callers whose shares are remembered before those of past windows are forgotten."""
IPV6_NETWORK_BITS = 64
"""What one household or host commonly has."""


class Scope(StrEnum):
    """What is counted apart; the value is the name in settings.THROTTLES and in the headers."""

    READS = "reads"
    SEARCHES = "searches"
    """Reads that cost the database or the detector more: words, counts by day, exports, previews."""
    WRITES = "writes"
    UPLOADS = "uploads"
    TESTS = "tests"
    """Messages sent to the outside on demand."""
    STRANGERS = "strangers"
    """Requests without a valid key or session, by address."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands within the present window."""

    scope: Scope
    rate: Rate
    used: int
    seconds_left: int

    @property
    def is_over(self) -> bool:
        """Whether this request was one too many."""
        return self.used > self.rate.quota

    def headers(self) -> dict[str, str]:
        """Give the two header fields, as lists of one structured item each."""
        remaining = max(self.rate.quota - self.used, 0)
        return {
            "RateLimit-Policy": f'"{self.scope}";q={self.rate.quota};w={self.rate.seconds}',
            "RateLimit": f'"{self.scope}";r={remaining};t={self.seconds_left}',
        }

    def refusal(self) -> RateLimitError:
        """Give the error of a request that was one too many."""
        return RateLimitError(
            f"More than {self.rate.quota} {self.scope} within {self.rate.seconds} s",
            retry_after=self.seconds_left,
            details={"policy": self.scope.value, "limit": self.rate.quota, "window_seconds": self.rate.seconds},
        )


class RequestThrottle(BaseThrottle):
    """Counts each request of the API once; over the rate it raises RateLimitError."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request, and let it pass while its caller keeps to the rate."""
        spend(request, view)
        return True


def spend(request: Request, view: Any) -> None:
    """Count this request against its caller's rate, once however often it is called; raises RateLimitError.

    The view's answer gets the headers, a refusal's too.
    """
    http_request = request._request
    if getattr(http_request, "is_counted", False):
        return
    http_request.is_counted = True  # type: ignore[attr-defined]  # Django's way to hang things on a request
    role = _role_of(request)
    scope = scope_of(request, view, role=role)
    rate = settings.THROTTLES[scope.value].of(role)
    standing = None if rate is None else _counter().count(caller_of(request, role=role), scope, rate)
    if standing is None:
        if rate is not None:
            metrics.UNCOUNTED.labels(scope.value).inc()
        return
    view.headers.update(standing.headers())
    if standing.is_over:
        metrics.THROTTLED.labels(scope.value).inc()
        raise standing.refusal()


def scope_of(request: Request, view: Any, *, role: Role | None) -> Scope:
    """Say what kind of request this is: as the view says for its action, else by method and search words."""
    if role is None:
        return Scope.STRANGERS
    said: Scope | None = getattr(view, "throttle_scopes", {}).get(getattr(view, "action", None))
    if said is not None:
        return said
    if request.method not in READING_METHODS:
        return Scope.WRITES
    return Scope.SEARCHES if request._request.GET.get("q") else Scope.READS


def caller_of(request: Request, *, role: Role | None) -> str:
    """Name whoever asks: their key, their account, or where they ask from."""
    if role is None:
        return f"address:{_network(request.META.get('REMOTE_ADDR', ''))}"
    user: Any = request.user
    return f"key:{user.key.pk}" if isinstance(user, KeyPrincipal) else f"user:{user.pk}"


def _role_of(request: Request) -> Role | None:
    try:
        return role_of(request)
    except APIException:  # a key that is none: counted where it comes from
        return None


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_NETWORK_BITS), strict=False))


@dataclass(slots=True)
class Share:
    """Requests of one caller that are counted already and not yet made: those after `used`, up to `counted`."""

    used: int
    counted: int
    ends: float
    """When the window ends, by the process's monotonic clock."""


class Counter:
    """The counters in one Redis; None is what is known of them while it does not answer."""

    def __init__(self, url: str) -> None:
        # A connection that Redis has closed meanwhile is opened anew at once; nothing else is tried twice.
        client = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._script: Script = client.register_script(COUNT)
        self._silent_until = 0.0
        self._lock = threading.Lock()
        self._shares: dict[str, Share] = {}

    def count(self, caller: str, scope: Scope, rate: Rate) -> Standing | None:
        """Count one request and give where its caller stands; None where Redis does not answer."""
        key = f"throttle:{scope}:{rate.seconds}:{caller}"
        with self._lock:  # also while Redis is asked, so that two never take a share of the same caller's
            now = time.monotonic()
            if now < self._silent_until:
                return None
            share = self._shares.get(key)
            if share is None or share.ends <= now:
                share = Share(used=0, counted=0, ends=0)
            if share.used == share.counted and not self._count_more(key, share, rate, now=now):
                return None
            share.used += 1
            return Standing(scope, rate, share.used, max(1, math.ceil(share.ends - now)))

    def _count_more(self, key: str, share: Share, rate: Rate, *, now: float) -> bool:
        """Count as many requests as the caller's next share holds; False where Redis does not answer."""
        more = max(1, min(LARGEST_SHARE, (rate.quota - share.used) // SHARE_PARTS)) if share.used else 1
        try:
            counted, milliseconds = map(int, self._script(keys=[key], args=[rate.seconds * 1000, more]))
        except (RedisError, OSError) as error:
            self._silent_until = time.monotonic() + LEFT_ALONE_SECONDS
            logger.warning("requests_not_counted", error=str(error), seconds=LEFT_ALONE_SECONDS)
            return False
        share.used, share.counted, share.ends = counted - more, counted, now + milliseconds / 1000
        if rate.quota // SHARE_PARTS > 1:
            self._remember(key, share, now=now)
        return True

    def _remember(self, key: str, share: Share, *, now: float) -> None:
        if len(self._shares) >= MOST_SHARES and key not in self._shares:
            self._shares = {name: one for name, one in self._shares.items() if one.ends > now}
        self._shares[key] = share


def _counter() -> Counter:
    return _counter_of(settings.REDIS_URL)


@cache
def _counter_of(url: str) -> Counter:
    return Counter(url)
