"""Links in messages that were used."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from alerts.choices import LinkAction
from alerts.models.deliveries import Delivery
from alerts.telling_repositories import LinkUseRepository


class LinkUse(models.Model):
    """One act by a message's link; its constraint lets each be used once."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="link_uses")
    action = models.CharField(max_length=16, choices=LinkAction.choices)
    used_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[LinkUseRepository] = LinkUseRepository()

    class Meta:
        ordering = ["delivery_id", "action"]
        constraints = [models.UniqueConstraint(fields=["delivery", "action"], name="link_used_once")]

    def __str__(self) -> str:
        return f"{self.action} by {self.delivery_id}"
