"""Deliveries and their attempts."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from alerts.choices import AttemptOutcome, DeliveryState
from alerts.models.alerts import Alert
from alerts.models.channels import Channel
from alerts.repositories import DeliveryAttemptRepository, DeliveryRepository
from siteadmin.core.claims import Claimable


class Delivery(Claimable):
    """One alert to one channel; it waits to be sent while `due_at` is set."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    channel_name = models.CharField(max_length=100)
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    idempotency_key = models.CharField(max_length=64, unique=True)
    reason = models.TextField(blank=True, help_text="Why it is not sent, in plain words.")
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
