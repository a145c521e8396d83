"""Who must be told: rules, alerts, cooldowns, channels and deliveries."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alerts.choices import (
    DEFAULT_COOLDOWN_SECONDS,
    DEFAULT_DEDUP_TEMPLATE,
    LONGEST_DEDUP_KEY,
    MAX_COOLDOWN_SECONDS,
    AlertStatus,
    AttemptOutcome,
    ChannelKind,
    Decision,
    DeliveryState,
    Severity,
)
from alerts.repositories import (
    ChannelRepository,
    DeliveryAttemptRepository,
    DeliveryRepository,
)
from alerts.rule_repositories import (
    AlertRepository,
    AlertRuleRepository,
    CooldownRepository,
    RuleDecisionRepository,
)
from cameras.models import Camera
from events.models import Event
from siteadmin.core.claims import Claimable


class Channel(models.Model):
    """One way to reach somebody, with its kind's settings; the secret never leaves by the API."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=ChannelKind.choices)
    enabled = models.BooleanField(default=True)
    config = models.JSONField(default=dict, blank=True, help_text="What the kind needs: see the documentation.")
    secret = models.TextField(blank=True, editable=False)
    disabled_reason = models.TextField(blank=True, help_text="Why the product switched it off.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[ChannelRepository] = ChannelRepository()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """Conditions that all must hold for an event, and who is told then."""

    name = models.CharField(max_length=100, unique=True)
    description = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.MEDIUM)

    risk_threshold = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(100)])
    camera_ids = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    object_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    min_confidence = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(1)])
    zone_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    schedule = models.JSONField(null=True, blank=True, help_text='{"days", "start", "end", "timezone"} or empty.')

    dedup_key_template = models.CharField(
        max_length=200,
        default=DEFAULT_DEDUP_TEMPLATE,
        help_text="Alerts with the same key share a cooldown; takes {camera_id}, {rule_id}, {object_type}, {zone}.",
    )
    cooldown_seconds = models.PositiveIntegerField(
        default=DEFAULT_COOLDOWN_SECONDS,
        validators=[MaxValueValidator(MAX_COOLDOWN_SECONDS)],
        help_text="How long after an alert the next ones count as its duplicates; 0: none do.",
    )
    channels = models.ManyToManyField(Channel, blank=True, related_name="rules")
    demo = models.BooleanField(default=False, editable=False)

    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[AlertRuleRepository] = AlertRuleRepository()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def channel_ids(self) -> list[int]:
        """The ids of its channels; costs a query unless they were fetched along."""
        return sorted(channel.pk for channel in self.channels.all())


class Alert(models.Model):
    """The record that somebody must be told of an event.

    pending -> delivered -> acknowledged -> dismissed; suppressed where a reason kept it from being sent.
    """

    event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    rule_name = models.CharField(max_length=100)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="alerts")

    severity = models.CharField(max_length=8, choices=Severity.choices)
    status = models.CharField(max_length=16, choices=AlertStatus.choices, default=AlertStatus.PENDING)
    dedup_key = models.CharField(max_length=LONGEST_DEDUP_KEY)
    matched_conditions = models.JSONField(default=list, blank=True)
    suppressed_count = models.PositiveIntegerField(default=0, help_text="Duplicates within the cooldown.")
    suppression_reason = models.TextField(blank=True)

    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.CharField(max_length=200, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1, help_text="Counts people's changes alone.")

    objects: ClassVar[AlertRepository] = AlertRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="alert_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="alert_status_newest"),
            models.Index(fields=["camera", "-created_at", "-id"], name="alert_camera_newest"),
            models.Index(fields=["rule", "-created_at", "-id"], name="alert_rule_newest"),
            # The duplicate check of `check_duplicate`.
            models.Index(fields=["dedup_key", "-created_at"], name="alert_dedup"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_name} ({self.severity})"


class Cooldown(models.Model):
    """The one row per dedup key that decides, in one statement, who may alert."""

    dedup_key = models.CharField(max_length=LONGEST_DEDUP_KEY, primary_key=True)
    fired_at = ArrayField(
        models.DateTimeField(),
        help_text="When an alert of at least this severity last fired, from low on; severities above the last "
        "one never did.",
    )

    objects: ClassVar[CooldownRepository] = CooldownRepository()

    class Meta:
        ordering = ["dedup_key"]

    def __str__(self) -> str:
        return self.dedup_key


class RuleDecision(models.Model):
    """What was decided for one event and one rule, and why; decided once, only `not_yet` may change."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="decisions")
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="decisions")
    outcome = models.CharField(max_length=16, choices=Decision.choices)
    reason = models.TextField(blank=True, help_text="In plain words, for staff.")
    alert = models.ForeignKey(
        Alert,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="decisions",
        help_text="The alert it made or, for a duplicate, the first one.",
    )
    decided_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[RuleDecisionRepository] = RuleDecisionRepository()

    class Meta:
        ordering = ["event_id", "rule_id"]
        constraints = [models.UniqueConstraint(fields=["event", "rule"], name="rule_decision_once")]

    def __str__(self) -> str:
        return f"{self.rule_id} on {self.event_id}: {self.outcome}"


class Delivery(Claimable):
    """One alert to one channel; it waits to be sent while `due_at` is set."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    channel_name = models.CharField(max_length=100)
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    idempotency_key = models.CharField(max_length=64, unique=True)
    body = models.BinaryField(null=True, editable=False, help_text="Fixed at the first attempt.")

    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DeliveryRepository] = DeliveryRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["alert", "channel"], name="delivery_once_a_channel")]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["channel", "-created_at", "-id"], name="delivery_channel_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="delivery_state_newest"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_name}: {self.state}"


class DeliveryAttempt(models.Model):
    """One try to send a delivery."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempt_log")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    outcome = models.CharField(max_length=16, choices=AttemptOutcome.choices)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    objects: ClassVar[DeliveryAttemptRepository] = DeliveryAttemptRepository()

    class Meta:
        ordering = ["delivery_id", "number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_number")]

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}"
