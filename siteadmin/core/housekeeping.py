"""What the kernel keeps for a time only: answers for a day, sessions until they end, the audit trail as set."""

import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from siteadmin.core.idempotency import KEPT_FOR
from siteadmin.core.models import AuditEntry, RememberedRequest
from siteadmin.core.results import register_result

logger = structlog.get_logger(__name__)

BATCH = 5000
"""Entries that one transaction deletes; short enough to hold nobody up."""
RUN = timedelta(seconds=30)
"""How long one run goes on; what it does not reach, the next one does."""


@register_result
@dataclass(frozen=True, slots=True)
class HousekeepingResult:
    """How much was too old."""

    answers: int = 0
    audit_entries: int = 0


def forget_old() -> HousekeepingResult:
    """Remove answers after a day, ended sessions, and audit entries after `AUDIT_RETENTION_DAYS` (0: never)."""
    SessionStore.clear_expired()
    answers = RememberedRequest.objects.forget_old(kept_for=KEPT_FOR)
    entries = 0
    days: int = settings.AUDIT_RETENTION_DAYS
    if days:
        before, until = timezone.now() - timedelta(days=days), time.monotonic() + RUN.total_seconds()
        while time.monotonic() < until:
            removed = AuditEntry.objects.remove_old(before=before, limit=BATCH)
            entries += removed
            if removed < BATCH:
                break
    if answers or entries:
        logger.info("forgotten", answers=answers, audit_entries=entries)
    return HousekeepingResult(answers=answers, audit_entries=entries)
