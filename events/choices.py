"""Words and numbers of detections and events."""

from datetime import timedelta

from django.db import models

EVALUATE_LEASE = timedelta(seconds=60)
"""How long one worker may take to judge all rules for one event."""

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
