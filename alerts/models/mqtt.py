"""The kept connections to MQTT brokers."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from alerts.models.channels import Channel
from alerts.mqtt_repositories import MqttConnectionRepository

UNHELD_FOR = timedelta(seconds=30)
"""A connection that no process keeps for so long is a fault; a start or a restart takes less."""


class MqttConnection(models.Model):
    """How the connection to one channel's broker stands, and which process keeps it.

    Only one keeps it: by its token, for the time of a lease that it renews.
    """

    channel = models.OneToOneField(Channel, primary_key=True, on_delete=models.CASCADE, related_name="mqtt_connection")
    holder = models.UUIDField(null=True, editable=False)
    held_until = models.DateTimeField(help_text="Past: no process keeps the connection.")
    is_connected = models.BooleanField(default=False)
    since = models.DateTimeField(db_default=Now(), help_text="Since when it is connected, or not.")
    failures = models.PositiveIntegerField(default=0, help_text="Tries in a row that failed.")
    error = models.TextField(blank=True, help_text="Why the last one failed.")

    objects: ClassVar[MqttConnectionRepository] = MqttConnectionRepository()

    class Meta:
        ordering = ["channel_id"]
        verbose_name = "MQTT connection"

    def __str__(self) -> str:
        return f"{self.channel_id}: {'connected' if self.is_connected else 'not connected'}"

    @property
    def problem(self) -> str:
        """Why the broker is told nothing of cameras and mode; empty: it is, or will be in a moment."""
        if self.held_until < timezone.now() - UNHELD_FOR:
            return "No process keeps the connection to the broker: `python manage.py mqtt` is not running"
        return f"Not connected: {self.error}" if self.failures else ""
