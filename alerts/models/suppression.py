"""What keeps alerts from being told: modes, silences and quiet hours."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from alerts.choices import LONGEST_MODE_NAME, Severity
from alerts.models.channels import Channel
from alerts.suppression_repositories import (
    ModeChangeRepository,
    ModeRepository,
    QuietHoursRepository,
    SilenceRepository,
)
from siteadmin.core.names import NameField, validate_name
from siteadmin.core.versions import Versioned


class Mode(Versioned):
    """What the place is set to, such as home or away; one mode is active, and rules may be limited to some."""

    name = NameField(max_length=LONGEST_MODE_NAME, unique=True)
    is_active = models.BooleanField(default=False, editable=False)
    switch_times = models.JSONField(
        null=True,
        blank=True,
        help_text='When it becomes active by itself: {"timezone", "times": [{"days", "at"}]} or empty.',
    )
    judged_until = models.DateTimeField(
        db_default=Now(), editable=False, help_text="Its switch times up to here are dealt with."
    )

    objects: ClassVar[ModeRepository] = ModeRepository()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="mode_one_active")
        ]

    def __str__(self) -> str:
        return self.name


class ModeChange(models.Model):
    """When a mode became active, and by whom; so it is known which one was active at any time."""

    mode_name = models.CharField(max_length=LONGEST_MODE_NAME)
    at = models.DateTimeField()
    by = models.CharField(max_length=200)

    objects: ClassVar[ModeChangeRepository] = ModeChangeRepository()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at", "-id"], name="mode_change_newest")]

    def __str__(self) -> str:
        return f"{self.mode_name} by {self.by}"


class Silence(Versioned):
    """A time in which what matches is recorded, and nobody is told.

    All matchers that are set must match; an empty one is not set. What it once was is kept in hidden rows, so that
    it stays known what was silent at any time.
    """

    camera_ids = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    rule_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    severities = ArrayField(models.CharField(max_length=8, choices=Severity.choices), default=list, blank=True)
    object_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    zone_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)

    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    comment = models.TextField(blank=True, validators=[validate_name], help_text="One line; told as the reason.")
    created_by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    counts_from = models.DateTimeField(db_default=Now(), editable=False, help_text="This row was not so before.")
    counts_until = models.DateTimeField(null=True, editable=False, help_text="It was deleted or changed then.")

    objects: ClassVar[SilenceRepository] = SilenceRepository()

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="silence_ends_after_start")]
        indexes = [models.Index(fields=["ends_at"], name="silence_end")]

    def __str__(self) -> str:
        return self.comment or f"Silence {self.pk}"


class QuietHours(Versioned):
    """Hours of the week in which a channel, or all that is a person's own, is not used.

    What they once were is kept in hidden rows, so that it stays known what was quiet at any time.
    """

    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="quiet_hours")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="quiet_hours"
    )
    schedule = models.JSONField(help_text='{"days", "start", "end", "timezone"}')
    critical_passes = models.BooleanField(default=True, help_text="Whether critical alerts are told all the same.")
    enabled = models.BooleanField(default=True)

    counts_from = models.DateTimeField(db_default=Now(), editable=False, help_text="This row was not so before.")
    counts_until = models.DateTimeField(null=True, editable=False, help_text="It was deleted or changed then.")

    objects: ClassVar[QuietHoursRepository] = QuietHoursRepository()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "quiet hours"
        constraints = [
            models.CheckConstraint(
                condition=Q(channel__isnull=False, user__isnull=True) | Q(channel__isnull=True, user__isnull=False),
                name="quiet_hours_of_channel_or_user",
            )
        ]

    def __str__(self) -> str:
        return f"Quiet hours of {self.channel or self.user}"
