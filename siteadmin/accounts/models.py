"""What members of staff log in with beside their password."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from siteadmin.accounts.repositories import TwoFactorRepository
from siteadmin.core.fields import SealedTextField


class TwoFactor(models.Model):
    """A user's second factor: an authenticator app's secret, and recovery codes that stand in for the app once each.

    begun (shown as a QR code) -> confirmed by a first code, and asked for at every login from then on.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="two_factor"
    )
    enrolment = models.UUIDField(
        default=uuid.uuid4, help_text="What sessions say that showed a code of this very enrolment."
    )
    secret = SealedTextField()
    recovery_hashes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, help_text="SHA-256 of the codes that are left."
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)

    last_step = models.BigIntegerField(default=0, help_text="Span of 30 s whose code was used last; none works twice.")
    failures = models.PositiveIntegerField(default=0, help_text="Wrong codes in a row.")
    failed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TwoFactorRepository] = TwoFactorRepository()

    class Meta:
        verbose_name = "second factor"

    def __str__(self) -> str:
        return f"second factor of user {self.user_id}"
