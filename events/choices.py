"""Words and numbers of detections and events."""

from datetime import timedelta

from django.db import models

EVALUATE_LEASE = timedelta(seconds=60)
"""How long one worker may take to judge all rules for one event."""

BEFORE_WITHIN = timedelta(minutes=2)
"""How old a camera's previous picture may be for motion; later, light and shadows have moved as well."""
STILL_OVERLAP = 0.8
"""Overlap (IoU) of two boxes from which on what they show has not moved; a detector's boxes tremble by less."""
STILL_LOOKS = 3
"""How many of a camera's pictures next to one may miss a still object: detectors miss one now and then."""
STILL_WITHIN = timedelta(hours=24)
"""How far apart two pictures of a still object may be."""
GROUPING_LOCK = 0x45564E54
"""First half of the advisory lock under which a camera's detections are grouped ("EVNT"); the second is the camera."""
CLOSE_AT_ONCE = 500
"""Events that one run of closing takes; the next run, 2 s later, goes on."""
LONGEST_QUERY = 500
"""Signs of a search that count; further ones would only cost the database."""
LONGEST_NOTES = 10_000
"""Signs of what people note on an event."""
MOST_WORDS = 32
"""Words of a search through the API; each is looked up by itself."""
REWRITE_BATCH = 500
"""Events whose words are written anew in one transaction."""
REWRITE_RUN = timedelta(seconds=30)
"""How long one run of rewriting goes on; the next continues."""
MOST_DAYS = 400
"""Days of one summary: a year, and what compares it with the last."""
USUAL_DAYS = 30
"""Days of a summary without a range, today's included."""
EXPORT_BATCH = 1000
"""Rows that an export holds in memory."""
EXPORT_LEASE = timedelta(seconds=60)
"""How long one worker may take for a slice of an export."""
EXPORT_SLICE = 5000
"""Rows of an export that are written between two claims: below a second, so that nothing waits behind an export."""
EXPORT_MAX_ATTEMPTS = 5
"""Failures in a row of one slice."""
EXPORT_KEPT = timedelta(days=1)
"""How long the file of an export can be fetched."""
RETENTION_BATCH = 500
"""Rows that retention deletes in one transaction; short enough to hold nobody up."""
LONGEST_RETENTION_DAYS = 36_500
"""A hundred years; a date before the calendar's first is none."""
RETENTION_RUN = timedelta(seconds=60)
"""How long one run of retention goes on, below every task's time limit; the next, an hour later, continues."""
REPETITION_LOOKBACK = timedelta(hours=2)
"""How far back earlier events of a camera count for a score."""
ANALYZE_PROMPT = "analyze"
"""The name of the prompt under which closed events are judged."""
ANALYZE_MAX_ATTEMPTS = 2
"""One retry: what a model could not answer twice it hardly will, and the built-in score stands."""
ENRICH_MAX_ATTEMPTS = 3
SERVICE_RETRY_BASE = timedelta(seconds=5)
"""The first pause before an analyzer or an enrichment service is asked again."""
SERVICE_PATIENCE = timedelta(hours=1)
"""How long work waits behind an open breaker before it fails: what comes later helps nobody any more."""
LEASE_MARGIN = timedelta(seconds=60)
"""What a worker may need beyond the service's own time limit: reading and scaling pictures, writing the answer."""
LONGEST_PROMPT = 20_000
"""Signs of a prompt: more than fits the context of small models."""
MOST_ATTRIBUTES = 10
"""Of so many of an event's objects a model is told what services know."""
MOST_PICTURES = 3
PICTURE_WIDTH = 768
"""Pictures for a model: few and small, as each costs it seconds."""

MEDIUM_FROM, HIGH_FROM, CRITICAL_FROM = 30, 60, 85
"""Lowest scores of the levels above low."""


class RiskLevel(models.TextChoices):
    """What a risk score means: low 0-29, medium 30-59, high 60-84, critical 85-100."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def scores(self) -> tuple[int, int]:
        """Give the lowest and the highest score of this level."""
        bounds = [0, MEDIUM_FROM, HIGH_FROM, CRITICAL_FROM, 101]
        place = list(type(self)).index(self)
        return bounds[place], bounds[place + 1] - 1

    @classmethod
    def of_score(cls, score: int) -> "RiskLevel":
        """Give the level of a score, as the database derives it."""
        if score >= CRITICAL_FROM:
            return cls.CRITICAL
        if score >= HIGH_FROM:
            return cls.HIGH
        return cls.MEDIUM if score >= MEDIUM_FROM else cls.LOW


class EventState(models.TextChoices):
    """open -> closed when nothing more arrived; a late detection that joins opens it again."""

    OPEN = "open"
    CLOSED = "closed"


class ScoredBy(models.TextChoices):
    """Whose score it is; a person's is never overwritten."""

    NOBODY = ""
    BUILTIN = "builtin"
    LLM = "llm"
    PERSON = "person"


class Verdict(models.TextChoices):
    """What a person says of an event's judgement; a wrong severity comes with the level it should have had."""

    ACCURATE = "accurate"
    FALSE_POSITIVE = "false_positive"
    MISSED_THREAT = "missed_threat"
    SEVERITY_WRONG = "severity_wrong"


class Decision(models.TextChoices):
    """What a person decides about an event in the queue."""

    REVIEWED = "reviewed"
    FALSE_ALARM = "false_alarm"
    KEPT = "kept"
    AGAIN = "again"
    """Not reviewed after all."""


class WorkState(models.TextChoices):
    """waiting -> done, failed (for good, with the reason) or skipped (nobody is to be asked any more)."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
