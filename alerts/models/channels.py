"""Ways to reach somebody."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from alerts.choices import DEFAULT_PERIOD_SECONDS, LONGEST_PERIOD_SECONDS, MOST_MESSAGES_A_PERIOD, ChannelKind
from alerts.repositories import ChannelRepository
from alerts.telling_repositories import ChannelPaceRepository
from siteadmin.core.fields import SealedObjectField, SealedTextField, UnreadableObject, UnreadableText
from siteadmin.core.names import NameField
from siteadmin.core.versions import Versioned


class Channel(Versioned):
    """One way to reach somebody, with its kind's settings; the secret never leaves by the API."""

    name = NameField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=ChannelKind.choices)
    enabled = models.BooleanField(default=True)
    config = SealedObjectField(default=dict, blank=True, help_text="What the kind needs: see the documentation.")
    secret = SealedTextField(blank=True, editable=False)
    old_secret = SealedTextField(blank=True, editable=False, help_text="Signs too until `old_secret_until`.")
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False, help_text="Counts changes of the settings.")
    timezone = models.CharField(
        max_length=64, blank=True, help_text="Of times in its messages, such as Europe/Berlin. Empty: the site's."
    )
    action_links = models.BooleanField(
        default=False,
        help_text="Put links into each message by which its reader acknowledges or snoozes without a login.",
    )
    max_messages = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MESSAGES_A_PERIOD)],
        help_text="At most so many messages a period; the rest is gathered into one digest. Empty: no limit.",
    )
    period_seconds = models.PositiveIntegerField(
        default=DEFAULT_PERIOD_SECONDS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_PERIOD_SECONDS)],
    )
    disabled_reason = models.TextField(blank=True, help_text="Why the product switched it off.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[ChannelRepository] = ChannelRepository()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_readable(self) -> bool:
        """Whether its settings and secrets can be opened with the present SECRET_KEY."""
        return not any(
            isinstance(value, UnreadableObject | UnreadableText)
            for value in (self.config, self.secret, self.old_secret)
        )


class ChannelPace(models.Model):
    """The one row per channel that decides, in one statement, what may still be sent in this period."""

    channel = models.OneToOneField(Channel, primary_key=True, on_delete=models.CASCADE, related_name="pace")
    started_at = models.DateTimeField()
    sent = models.PositiveIntegerField(default=0)

    objects: ClassVar[ChannelPaceRepository] = ChannelPaceRepository()

    def __str__(self) -> str:
        return f"{self.channel_id}: {self.sent}"
