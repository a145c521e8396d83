"""Reads and atomic writes of rules, alerts, channels and deliveries."""

from typing import TYPE_CHECKING, Self

from alerts.choices import AlertStatus, ChannelKind
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import (
        Alert,
        AlertRule,
        Channel,
        Cooldown,
        Delivery,
        DeliveryAttempt,
        RuleDecision,
    )


class AlertRuleQuerySet(RepositoryQuerySet["AlertRule"]):
    """Reads that chain."""


_AlertRuleRepository = Repository.from_queryset(AlertRuleQuerySet)


class AlertRuleRepository(_AlertRuleRepository["AlertRule"]):
    """Look-ups and writes of rules."""

    def delete_demo(self) -> None:
        """Delete the demo's rules."""
        self.get_queryset().filter(demo=True).delete()


class AlertQuerySet(RepositoryQuerySet["Alert"]):
    """Reads that chain."""

    def unacknowledged(self) -> Self:
        """Keep what still waits for somebody to say that they know."""
        return self.filter(status__in=(AlertStatus.PENDING, AlertStatus.DELIVERED))

    def in_inbox(self) -> Self:
        """Keep what an inbox shows."""
        return self.filter(deliveries__channel__kind=ChannelKind.INBOX).distinct()

    def with_camera(self) -> Self:
        """Fetch the camera along."""
        return self.select_related("camera")


_AlertRepository = Repository.from_queryset(AlertQuerySet)


class AlertRepository(_AlertRepository["Alert"]):
    """Look-ups and writes of alerts."""


class CooldownQuerySet(RepositoryQuerySet["Cooldown"]):
    """Reads that chain."""


_CooldownRepository = Repository.from_queryset(CooldownQuerySet)


class CooldownRepository(_CooldownRepository["Cooldown"]):
    """Look-ups and writes of cooldowns."""


class ChannelQuerySet(RepositoryQuerySet["Channel"]):
    """Reads that chain."""


_ChannelRepository = Repository.from_queryset(ChannelQuerySet)


class ChannelRepository(_ChannelRepository["Channel"]):
    """Look-ups and writes of channels."""

    def get_or_create_inbox(self) -> "Channel":
        """Give the oldest inbox channel, made where there is none."""
        inbox = self.get_queryset().filter(kind=ChannelKind.INBOX).order_by("pk").first()
        return inbox or self.get_or_create(name="Inbox", defaults={"kind": ChannelKind.INBOX})[0]


class DeliveryQuerySet(RepositoryQuerySet["Delivery"]):
    """Reads that chain."""


_DeliveryRepository = ClaimableRepository.from_queryset(DeliveryQuerySet)


class DeliveryRepository(_DeliveryRepository["Delivery"]):
    """Look-ups and writes of deliveries."""


class DeliveryAttemptQuerySet(RepositoryQuerySet["DeliveryAttempt"]):
    """Reads that chain."""


_DeliveryAttemptRepository = Repository.from_queryset(DeliveryAttemptQuerySet)


class DeliveryAttemptRepository(_DeliveryAttemptRepository["DeliveryAttempt"]):
    """Look-ups and writes of delivery attempts."""


class RuleDecisionQuerySet(RepositoryQuerySet["RuleDecision"]):
    """Reads that chain."""


_RuleDecisionRepository = Repository.from_queryset(RuleDecisionQuerySet)


class RuleDecisionRepository(_RuleDecisionRepository["RuleDecision"]):
    """Look-ups and writes of rule decisions."""
