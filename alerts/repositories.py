"""Reads and atomic writes of channels."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from django.apps import apps
from django.db.models import Exists, OuterRef

from alerts.choices import ChannelKind
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Channel


class ChannelQuerySet(RepositoryQuerySet["Channel"]):
    """Reads that chain."""

    def enabled(self) -> Self:
        """Keep those that are on."""
        return self.filter(enabled=True).order_by("pk")

    def with_connection(self) -> Self:
        """Fetch the state of MQTT channels' connections along."""
        return self.select_related("mqtt_connection")

    def with_broker(self) -> Self:
        """Keep the MQTT channels that are on."""
        return self.filter(kind=ChannelKind.MQTT, enabled=True).order_by("pk")

    def reaching_people(self, channel_ids: Iterable[int]) -> Self:
        """Keep those of these that reach people on devices of their own."""
        return self.filter(pk__in=list(channel_ids), kind=ChannelKind.WEBPUSH)

    def switched_off(self) -> Self:
        """Keep those that the product switched off itself."""
        return self.filter(enabled=False).exclude(disabled_reason="")


_ChannelRepository = Repository.from_queryset(ChannelQuerySet)


class ChannelRepository(_ChannelRepository["Channel"]):
    """Look-ups and writes of channels."""

    def get_locked(self, channel_id: int) -> "Channel | None":
        """Give the channel, locked until the transaction ends."""
        return self.get_queryset().select_for_update(no_key=True).filter(pk=channel_id).first()

    def get_to_serve(self, channel_id: int) -> "Channel | None":
        """Give the channel, with `has_quiet_hours`."""
        hours = apps.get_model("alerts", "QuietHours")._default_manager.filter(channel_id=OuterRef("pk"))
        counting = hours.filter(counts_until=None, enabled=True)
        return self.annotate(has_quiet_hours=Exists(counting)).filter(pk=channel_id).first()

    def switch_off(self, channel_id: int, *, revision: int, reason: str) -> bool:
        """Switch the channel off, unless it is off or somebody gave it other settings meanwhile."""
        return bool(
            self.get_queryset()
            .filter(pk=channel_id, enabled=True, revision=revision)
            .update(enabled=False, disabled_reason=reason)
        )

    def get_or_create_inbox(self) -> "Channel":
        """Give the oldest inbox channel, made where there is none."""
        inbox = self.get_queryset().filter(kind=ChannelKind.INBOX).order_by("pk").first()
        return inbox or self.get_or_create(name="Inbox", defaults={"kind": ChannelKind.INBOX})[0]
