"""Locks after failed logins, of names at addresses and of addresses; django-axes counts them in the database."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from siteadmin.accounts import trail
from siteadmin.accounts.repositories import failures_at, failures_of
from siteadmin.core.throttling import IPV6_NETWORK_BITS


def client_address(request: HttpRequest) -> str | None:
    """Give the address whose failures are counted: TrustedProxyMiddleware has settled it; None for a Unix socket.

    Of an IPv6 network of 64 bits, which one host has to itself, it is always the first.
    """
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False).network_address)


def locked_until(name: str, address: str | None) -> datetime | None:
    """Give when the name's lock at this address ends, or None where it is not locked."""
    failures = failures_of(name, address=address, since=timezone.now() - settings.AXES_COOLOFF_TIME)
    return _end_of_lock(failures, limit=settings.AXES_FAILURE_LIMIT)


def address_locked_until(address: str | None) -> datetime | None:
    """Give when the address's lock ends, or None where it is not locked: there too many names failed altogether."""
    if not settings.LOGIN_ADDRESS_FAILURES:
        return None
    failures = failures_at(address, since=timezone.now() - settings.AXES_COOLOFF_TIME)
    return _end_of_lock(failures, limit=settings.LOGIN_ADDRESS_FAILURES)


def _end_of_lock(attempts: Iterable[AccessAttempt], *, limit: int) -> datetime | None:
    failures = 0
    for attempt in attempts:
        failures += attempt.failures_since_start
        if failures >= limit:
            ends: datetime = attempt.attempt_time + settings.AXES_COOLOFF_TIME
            return ends
    return None


def unlock(name: str | None = None, *, address: str | None = None) -> bool:
    """Forget the failures of this name at this address, or of either alone; False where there are none."""
    with transaction.atomic():
        found: bool = reset(username=name, ip=address) > 0
        if found:
            trail.record_unlocked(name or "", address=address)
    return found


def unlock_attempt(attempt: AccessAttempt) -> bool:
    """Forget the failures that this row is part of."""
    return unlock(attempt.username, address=attempt.ip_address)


def told(moment: datetime) -> str:
    """Name a moment to come in the viewer's time zone, to the minute that is safely past it."""
    return timezone.localtime(moment + timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M %Z")
