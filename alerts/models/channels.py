"""Ways to reach somebody."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from alerts.choices import ChannelKind
from alerts.repositories import ChannelRepository
from siteadmin.core.fields import SealedObjectField, SealedTextField, UnreadableObject, UnreadableText


class Channel(models.Model):
    """One way to reach somebody, with its kind's settings; the secret never leaves by the API."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=ChannelKind.choices)
    enabled = models.BooleanField(default=True)
    config = SealedObjectField(default=dict, blank=True, help_text="What the kind needs: see the documentation.")
    secret = SealedTextField(blank=True, editable=False)
    old_secret = SealedTextField(blank=True, editable=False, help_text="Signs too until `old_secret_until`.")
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False, help_text="Counts changes of the settings.")
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
