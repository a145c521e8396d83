"""How cameras stand, as brokers are told."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from alerts.models.channels import Channel
from alerts.state_repositories import CameraStateRepository
from cameras.models import Camera
from siteadmin.core.claims import Claimable


class CameraState(Claimable):
    """One camera on one MQTT channel; its newest state waits to be told while `due_at` is set."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="camera_states")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="+")
    told = models.TextField(blank=True, help_text="How it stood when the broker was last told; empty: tell anew.")

    objects: ClassVar[CameraStateRepository] = CameraStateRepository()

    class Meta:
        ordering = ["channel_id", "camera_id"]
        constraints = [models.UniqueConstraint(fields=["channel", "camera"], name="camera_state_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="camera_state_due")]

    def __str__(self) -> str:
        return f"{self.camera_id} on {self.channel_id}"
