"""Words and numbers of detections and events."""

from datetime import timedelta

from django.db import models

EVALUATE_LEASE = timedelta(seconds=60)
"""How long one worker may take to judge all rules for one event."""

BEFORE_WITHIN = timedelta(minutes=2)
"""How old a camera's previous picture may be for motion; later, light and shadows have moved as well."""
GROUPING_LOCK = 0x45564E54
"""First half of the advisory lock under which a camera's detections are grouped ("EVNT"); the second is the camera."""
CLOSE_AT_ONCE = 500
"""Events that one run of closing takes; the next run, 2 s later, goes on."""
RETENTION_BATCH = 500
"""Rows that retention deletes in one transaction; short enough to hold nobody up."""
LONGEST_RETENTION_DAYS = 36_500
"""A hundred years; a date before the calendar's first is none."""
RETENTION_RUN = timedelta(seconds=60)
"""How long one run of retention goes on, below every task's time limit; the next, an hour later, continues."""
REPETITION_LOOKBACK = timedelta(hours=2)
"""How far back earlier events of a camera count for a score."""

MEDIUM_FROM, HIGH_FROM, CRITICAL_FROM = 30, 60, 85
"""Lowest scores of the levels above low."""


class RiskLevel(models.TextChoices):
    """What a risk score means: low 0-29, medium 30-59, high 60-84, critical 85-100."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class EventState(models.TextChoices):
    """open -> closed when nothing more arrived; a late detection that joins opens it again."""

    OPEN = "open"
    CLOSED = "closed"


class ScoredBy(models.TextChoices):
    """Whose score it is; a person's is never overwritten."""

    NOBODY = ""
    BUILTIN = "builtin"
    PERSON = "person"
