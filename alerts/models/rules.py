"""Rules, and what was decided by them."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alerts.choices import (
    DEFAULT_COOLDOWN_SECONDS,
    DEFAULT_DEDUP_TEMPLATE,
    LONGEST_MODE_NAME,
    MAX_COOLDOWN_SECONDS,
    Decision,
    RuleTrigger,
    Severity,
)
from alerts.evaluation_repositories import EvaluationRepository, RuleDecisionRepository
from alerts.models.channels import Channel
from alerts.rule_repositories import AlertRuleRepository
from cameras.models import CameraStatusChange
from events.models import Event
from siteadmin.core.names import NameField
from siteadmin.core.versions import Versioned

if TYPE_CHECKING:  # steps know their rule
    from alerts.models.escalation import EscalationStep

ONE_CAUSE = Q(event__isnull=False, change__isnull=True) | Q(event__isnull=True, change__isnull=False)


class AlertRule(Versioned):
    """Conditions that all must hold for an event, and who is told then."""

    name = NameField(max_length=100, unique=True)
    description = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.MEDIUM)

    trigger = models.CharField(max_length=16, choices=RuleTrigger.choices, default=RuleTrigger.EVENT)
    risk_threshold = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(100)])
    camera_ids = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    object_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    min_confidence = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(1)])
    zone_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    schedule = models.JSONField(null=True, blank=True, help_text='{"days", "start", "end", "timezone"} or empty.')

    modes = ArrayField(models.CharField(max_length=LONGEST_MODE_NAME), default=list, blank=True)

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

    @property
    def escalation_chain(self) -> "list[EscalationStep]":
        """Its escalation steps, in order; costs two queries unless they were fetched along."""
        return sorted(self.escalation_steps.all(), key=lambda step: step.position)

    def audit_details(self) -> dict[str, Any]:
        """Give what is recorded of it beside its fields."""
        steps = self.escalation_steps.order_by("position").prefetch_related("channels")
        return {"escalation": [{"wait_seconds": one.wait_seconds, "channel_ids": one.channel_ids} for one in steps]}


class RuleDecision(models.Model):
    """What was decided of a rule for one event, or one change of a camera's status, and why; decided once."""

    event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.CASCADE, related_name="decisions")
    change = models.ForeignKey(
        CameraStatusChange, null=True, blank=True, on_delete=models.CASCADE, related_name="decisions"
    )
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="decisions")
    outcome = models.CharField(
        max_length=16, choices=[(one.value, one.label) for one in Decision if one is not Decision.NOT_YET]
    )
    reason = models.TextField(blank=True, help_text="In plain words, for staff.")
    alert = models.ForeignKey(
        "alerts.Alert",
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
        constraints = [
            models.UniqueConstraint(fields=["event", "rule"], name="rule_decision_once"),
            models.UniqueConstraint(fields=["change", "rule"], name="rule_decision_once_a_change"),
            models.CheckConstraint(condition=ONE_CAUSE, name="rule_decision_one_cause"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} on {self.event_id or self.change_id}: {self.outcome}"


class Evaluation(models.Model):
    """Why the rules that may still fire for an event, or a change of a camera's status, do not: one row for all."""

    event = models.OneToOneField(Event, null=True, blank=True, on_delete=models.CASCADE, related_name="evaluation")
    change = models.OneToOneField(
        CameraStatusChange, null=True, blank=True, on_delete=models.CASCADE, related_name="evaluation"
    )
    reasons = models.JSONField(default=dict, help_text="In plain words, by rule's id.")
    changed_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[EvaluationRepository] = EvaluationRepository()

    class Meta:
        ordering = ["-changed_at"]
        constraints = [models.CheckConstraint(condition=ONE_CAUSE, name="evaluation_one_cause")]

    def __str__(self) -> str:
        return f"Evaluation of {self.event_id or self.change_id}"
