"""Whom else to tell while nobody answers."""

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from alerts.choices import LONGEST_ESCALATION_WAIT_SECONDS
from alerts.models.alerts import Alert
from alerts.models.channels import Channel
from alerts.models.rules import AlertRule
from alerts.telling_repositories import EscalationRepository, EscalationStepRepository
from siteadmin.core.claims import Claimable


class EscalationStep(models.Model):
    """One step of a rule's chain: further channels, told when nobody has acknowledged or dismissed the alert."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="escalation_steps")
    position = models.PositiveSmallIntegerField()
    wait_seconds = models.PositiveIntegerField(
        validators=[MaxValueValidator(LONGEST_ESCALATION_WAIT_SECONDS)],
        help_text="After the alert, or after the step before.",
    )
    channels = models.ManyToManyField(Channel, related_name="escalation_steps")

    objects: ClassVar[EscalationStepRepository] = EscalationStepRepository()

    class Meta:
        ordering = ["rule_id", "position"]
        constraints = [models.UniqueConstraint(fields=["rule", "position"], name="escalation_step_position")]

    def __str__(self) -> str:
        return f"Step {self.position} of {self.rule_id}"

    @property
    def channel_ids(self) -> list[int]:
        """The ids of its channels; costs a query unless they were fetched along."""
        return sorted(channel.pk for channel in self.channels.all())


class Escalation(Claimable):
    """How far an alert's escalation has come; its next step waits while `due_at` is set."""

    alert = models.OneToOneField(Alert, on_delete=models.CASCADE, related_name="escalation")
    position = models.PositiveSmallIntegerField(help_text="The next step.")
    reason = models.TextField(blank=True, help_text="Why it waits for longer than the step says.")

    objects: ClassVar[EscalationRepository] = EscalationRepository()

    class Meta:
        ordering = ["alert_id"]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="escalation_due")]

    def __str__(self) -> str:
        return f"{self.alert_id}: step {self.position}"
