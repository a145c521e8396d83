"""What Web Push keeps: the site's key pair and the devices that want notifications."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from alerts.push_repositories import PushSubscriptionRepository, VapidKeyRepository
from siteadmin.core.fields import SealedTextField


class VapidKey(models.Model):
    """The key pair by which push services know the site (RFC 8292); one row, made once."""

    private_key = SealedTextField(help_text="PEM.")
    public_key = models.CharField(max_length=100, help_text="Uncompressed point, base64url.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[VapidKeyRepository] = VapidKeyRepository()

    def __str__(self) -> str:
        return self.public_key


class PushSubscription(models.Model):
    """One browser on one device that shows notifications, and whose it is."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 in hex; the address is a secret.")
    endpoint = SealedTextField()
    p256dh = models.CharField(max_length=100, help_text="The browser's public key, base64url.")
    auth = SealedTextField()
    device = models.CharField(max_length=100, help_text="As its owner may recognise it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[PushSubscriptionRepository] = PushSubscriptionRepository()
    audit_hidden = ("endpoint_hash", "p256dh")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.device
