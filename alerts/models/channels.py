"""Ways to reach somebody."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from alerts.choices import ChannelKind
from alerts.repositories import ChannelRepository


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
