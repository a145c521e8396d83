"""Deliveries and their attempts."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alerts.choices import AttemptOutcome, DeliveryPurpose, DeliveryState, Severity
from alerts.delivery_repositories import DeliveryAttemptRepository, DeliveryRepository
from alerts.models.alerts import Alert
from alerts.models.channels import Channel
from events.models import Event
from siteadmin.core.claims import Claimable


class Delivery(Claimable):
    """One alert to one channel; it waits to be sent while `due_at` is set.

    Without an alert it is a digest of several, or a notice about the product itself.
    """

    purpose = models.CharField(max_length=8, choices=DeliveryPurpose.choices, default=DeliveryPurpose.ALERT)
    # A row is written four times on its way, each time into every index: those that another one serves are left out.
    alert = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    channel = models.ForeignKey(
        Channel, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False
    )
    channel_name = models.CharField(max_length=100)
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    idempotency_key = models.CharField(max_length=64)
    reason = models.TextField(blank=True, help_text="Why it is not sent, in plain words.")
    body = models.BinaryField(null=True, editable=False, help_text="Fixed at the first attempt, kept until it arrived.")

    step = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The escalation step that asked for it.")
    notice = models.JSONField(null=True, blank=True, help_text="What a notice says.")
    told_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="told",
        db_index=False,
        help_text="The message that tells of this one too: a digest, or the one for the same event.",
    )
    gathering = models.BooleanField(default=False, help_text="Whether a digest still takes more.")
    event = models.ForeignKey(
        Event,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Set on the one delivery that tells this channel of the event at this severity.",
    )
    severity = models.CharField(max_length=8, choices=Severity.choices, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DeliveryRepository] = DeliveryRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel"], name="delivery_once_a_channel"),
            models.UniqueConstraint(fields=["idempotency_key"], name="delivery_key"),
            models.UniqueConstraint(
                fields=["event", "channel", "severity"],
                condition=~Q(state=DeliveryState.SKIPPED),
                name="delivery_once_an_event",
            ),
            models.UniqueConstraint(fields=["channel"], condition=Q(gathering=True), name="delivery_one_digest"),
            models.CheckConstraint(
                condition=Q(purpose=DeliveryPurpose.ALERT, alert__isnull=False)
                | Q(alert=None) & ~Q(purpose=DeliveryPurpose.ALERT),
                name="delivery_purpose",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["channel", "-created_at", "-id"], name="delivery_channel_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="delivery_state_newest"),
            # What waits, for the sweeper and for those who serve a channel; by channel, as both ask.
            models.Index(fields=["channel", "due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=["told_by"], condition=Q(told_by__isnull=False), name="delivery_told_by"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_name}: {self.state}"


class DeliveryAttempt(models.Model):
    """One try to send a delivery."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempt_log", db_index=False)
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
