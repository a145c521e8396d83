"""Words and numbers of rules, alerts and deliveries."""

from datetime import timedelta

from django.db import models

DELIVER_LEASE = timedelta(seconds=90)
"""How long one attempt may take; above every channel's deadline, below the broker's visibility timeout."""
DELIVER_SOFT_TIME_LIMIT, DELIVER_TIME_LIMIT = 70, 75
"""Seconds after which an attempt that hangs is broken off, then its process killed; below the lease, so that
nobody else has begun meanwhile."""
EVALUATE_MAX_ATTEMPTS = 5
"""Tries before an event whose rules cannot be judged ends as a dead letter."""
EVALUATE_RETRY_BASE = timedelta(seconds=1)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DEFAULT_DEDUP_TEMPLATE = "{camera_id}:{rule_id}"
LONGEST_DEDUP_KEY = 500
LONGEST_MODE_NAME = 50
FIRST_MODES = ("home", "away", "night")
"""Of a fresh site; the first is active."""
LONGEST_SNOOZE_MINUTES = 30 * 24 * 60
SLOW_AFTER, SLOW_UNTIL = timedelta(seconds=1), timedelta(seconds=20)
"""While an attempt has run for so long, its channel gets no second worker: one receiver may not take them all.
Beyond, which is longer than a webhook may take, its worker has probably died."""
SLOW_PAUSE = timedelta(seconds=5)
"""Until the others of that channel look again, at most."""
ANNOUNCE_LEASE = timedelta(seconds=60)
"""How long telling a broker of a camera may take; above the channel's deadline."""
SECRET_OVERLAP = timedelta(days=1)
"""How long a webhook's old secret signs along after a rotation, for receivers to take up the new one."""
DEFAULT_COOLDOWN_SECONDS = 300
MAX_COOLDOWN_SECONDS = 30 * 86_400


class Severity(models.TextChoices):
    """How bad it is, in rising order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return list(Severity).index(self)


class AlertStatus(models.TextChoices):
    """pending -> delivered -> acknowledged -> dismissed; suppressed: recorded, nobody was told."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    SUPPRESSED = "suppressed"


class Decision(models.TextChoices):
    """What was decided for one event and one rule; only `not_yet` may still change."""

    FIRED = "fired"
    DUPLICATE = "duplicate"
    SUPPRESSED = "suppressed"
    NOT_YET = "not_yet", "Not yet"


class ChannelKind(models.TextChoices):
    """Ways to reach people."""

    INBOX = "inbox", "Inbox: shown to staff inside the product"
    WEBHOOK = "webhook", "Webhook: signed HTTP request"
    EMAIL = "email", "E-mail"
    APPRISE = "apprise", "Apprise: a service of a hundred, by its URL"
    MQTT = "mqtt", "MQTT: a broker, for Home Assistant"
    WEBPUSH = "webpush", "Web Push: notifications in browsers"


class DeliveryState(models.TextChoices):
    """pending -> sending -> delivered, or pending again after a failed attempt, or failed for good.

    parked: its channel is off; skipped: nobody needs it any more (the alert was dismissed).
    """

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    PARKED = "parked"
    SKIPPED = "skipped"


class AttemptOutcome(models.TextChoices):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"
    HELD = "held"
