"""Words and numbers of rules, alerts and deliveries."""

from datetime import timedelta

from django.db import models

DELIVER_LEASE = timedelta(seconds=45)
"""How long an attempt may take over a channel whose kind has no lease of its own; below the broker's visibility
timeout."""
LEASE_MARGIN = timedelta(seconds=5)
"""What a lease is above the deadline of the attempt under it."""
DELIVER_SOFT_TIME_LIMIT, DELIVER_TIME_LIMIT = 42, 44
"""Seconds after which an attempt that hangs is broken off, then its process killed, in a pool of processes; below
the lease, so that nobody else has begun meanwhile."""
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
QUIET_LOOK = timedelta(minutes=5)
"""Until what waits for the end of quiet hours looks again."""
SECRET_OVERLAP = timedelta(days=1)
"""How long a webhook's old secret signs along after a rotation, for receivers to take up the new one."""
DEFAULT_COOLDOWN_SECONDS = 300
MAX_COOLDOWN_SECONDS = 30 * 86_400


ESCALATE_LEASE = timedelta(seconds=20)
ESCALATE_MAX_ATTEMPTS = 5
"""Tries before an escalation step that cannot be taken ends as a dead letter."""
ESCALATE_RETRY_BASE = timedelta(seconds=1)
MOST_ESCALATION_STEPS = 10
LONGEST_ESCALATION_WAIT_SECONDS = 7 * 86_400
LINK_LIFETIME = timedelta(hours=24)
LINK_SNOOZES = {30: "30 minutes", 60: "1 hour", 4 * 60: "4 hours", 12 * 60: "12 hours", 24 * 60: "a day"}
"""Minutes for which a link may snooze, in words; the second one is proposed."""
DEFAULT_PERIOD_SECONDS, LONGEST_PERIOD_SECONDS = 60, 86_400
MOST_MESSAGES_A_PERIOD = 10_000


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


class RuleTrigger(models.TextChoices):
    """What a rule is asked about."""

    EVENT = "event", "Something is seen"
    CAMERA_OFFLINE = "camera_offline", "A camera falls silent"
    CAMERA_ONLINE = "camera_online", "A camera is back"


class AlertStatus(models.TextChoices):
    """pending -> delivered -> acknowledged -> dismissed; suppressed: recorded, nobody was told."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    SUPPRESSED = "suppressed"


UNACKNOWLEDGED = (AlertStatus.PENDING, AlertStatus.DELIVERED)
"""Alerts that nobody has answered."""
NOT_DISMISSED = (*UNACKNOWLEDGED, AlertStatus.ACKNOWLEDGED)
"""Alerts that may be dismissed, and snoozed."""


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


SEND_LEASES: dict[str, timedelta] = {
    ChannelKind.INBOX: timedelta(seconds=10),
    ChannelKind.EMAIL: timedelta(seconds=35),
}
"""How long an attempt may take, by kind: LEASE_MARGIN above its deadline. Webhooks have WEBHOOK_TIMEOUT_SECONDS."""


class DeliveryState(models.TextChoices):
    """pending -> sending -> delivered, or pending again after a failed attempt, or failed for good.

    parked: its channel is off; skipped: nobody needs it any more (the alert was dismissed); digested: another
    message of the channel tells of it.
    """

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    PARKED = "parked"
    DIGESTED = "digested"
    SKIPPED = "skipped"


class LinkAction(models.TextChoices):
    """What a link in a message does, without a login."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"


class DeliveryPurpose(models.TextChoices):
    """What a delivery tells of."""

    ALERT = "alert"
    DIGEST = "digest", "Digest of what went over the channel's limit"
    NOTICE = "notice", "Notice about the product itself"


class AttemptOutcome(models.TextChoices):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"
    HELD = "held"
