"""Alerts, and the cooldowns that keep them apart."""

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alerts.choices import LONGEST_DEDUP_KEY, UNACKNOWLEDGED, AlertStatus, RuleTrigger, Severity
from alerts.models.rules import AlertRule
from alerts.rule_repositories import AlertRepository, CooldownRepository
from cameras.models import Camera
from events.models import Event
from siteadmin.core.versions import Versioned

if TYPE_CHECKING:  # an escalation knows its alert
    from alerts.models.escalation import Escalation


class Alert(Versioned):
    """The record that somebody must be told of an event.

    pending -> delivered -> acknowledged -> dismissed; suppressed where a reason kept it from being sent.
    """

    camera_path: ClassVar = "camera_id"

    event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    rule_name = models.CharField(max_length=100)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="alerts")

    trigger = models.CharField(max_length=16, choices=RuleTrigger.choices, default=RuleTrigger.EVENT)
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
    snoozed_by = models.CharField(max_length=200, blank=True)
    snoozed_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then nothing is sent for it, and nobody is told of more under its key."
    )
    note = models.TextField(blank=True)

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
            # Whether a key is snoozed is asked whenever a rule holds; few alerts ever were.
            models.Index(fields=["dedup_key"], condition=Q(snoozed_until__isnull=False), name="alert_snoozed"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_name} ({self.severity})"

    @property
    def waiting_escalation(self) -> "Escalation | None":
        """Its escalation while nobody has answered and a step waits; costs a query unless it was fetched along."""
        escalation: Escalation | None = getattr(self, "escalation", None)
        if escalation is None or escalation.due_at is None or self.status not in UNACKNOWLEDGED:
            return None
        return escalation


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
