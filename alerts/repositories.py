"""Reads and atomic writes of channels and deliveries."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from alerts.choices import DELIVER_LEASE, SLOW_AFTER, SLOW_UNTIL, AttemptOutcome, ChannelKind, DeliveryState
from siteadmin.core.claims import RESWEEP_AFTER, ClaimableRepository, database_now
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Channel, Delivery, DeliveryAttempt


class ChannelQuerySet(RepositoryQuerySet["Channel"]):
    """Reads that chain."""


_ChannelRepository = Repository.from_queryset(ChannelQuerySet)


class ChannelRepository(_ChannelRepository["Channel"]):
    """Look-ups and writes of channels."""

    def get_locked(self, channel_id: int) -> "Channel | None":
        """Give the channel, locked until the transaction ends."""
        return self.get_queryset().select_for_update(no_key=True).filter(pk=channel_id).first()

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


class DeliveryQuerySet(RepositoryQuerySet["Delivery"]):
    """Reads that chain."""

    def for_list(self) -> Self:
        """Leave the bodies, which are large, in the database."""
        return self.defer("body")

    def with_attempts(self) -> Self:
        """Fetch every attempt along, by one further query."""
        return self.prefetch_related("attempt_log")


_DeliveryRepository = ClaimableRepository.from_queryset(DeliveryQuerySet)


class DeliveryRepository(_DeliveryRepository["Delivery"]):
    """Look-ups and writes of deliveries."""

    def skip_waiting(self, alert_id: int) -> int:
        """Skip what waits to be sent for an alert, always in one order; what is being sent just now ends by itself."""
        waiting = self.get_queryset().filter(alert_id=alert_id, state__in=(DeliveryState.PENDING, DeliveryState.PARKED))
        ids = list(waiting.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        return self.get_queryset().filter(pk__in=ids).update(state=DeliveryState.SKIPPED, due_at=None, swept_at=None)

    def delay_waiting(self, alert_id: int, *, wait: timedelta) -> int:
        """Let what waits to be sent for an alert wait at least so long; what is being sent just now ends by itself."""
        waiting = self.get_queryset().filter(alert_id=alert_id, state=DeliveryState.PENDING, due_at__isnull=False)
        ids = list(waiting.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        until = database_now(plus=wait)
        return (
            self.get_queryset()
            .filter(pk__in=ids, due_at__lt=until)
            .update(due_at=until, swept_at=database_now(plus=wait - RESWEEP_AFTER))
        )

    def get_claimed(self, delivery_id: int, *, token: uuid.UUID) -> "Delivery | None":
        """Give the delivery with all that sending needs, if the claim is still ours."""
        return (
            self.get_queryset()
            .select_related("alert__event", "alert__camera", "channel")
            .filter(pk=delivery_id, claim_token=token)
            .first()
        )

    def fix_body(self, delivery_id: int, *, token: uuid.UUID, body: bytes) -> bool:
        """Keep the bytes that every attempt sends, if the claim is still ours and none are kept."""
        return bool(self.get_queryset().filter(pk=delivery_id, claim_token=token, body=None).update(body=body))

    def is_channel_slow(self, channel_id: int) -> bool:
        """Tell whether a worker has been waiting for this channel for a while; served by the index of what is due."""
        return (
            self.get_queryset()
            .filter(
                channel_id=channel_id,
                state=DeliveryState.SENDING,
                due_at__lt=database_now(plus=DELIVER_LEASE - SLOW_AFTER),
                due_at__gt=database_now(plus=DELIVER_LEASE - SLOW_UNTIL),
            )
            .exists()
        )

    def hold(self, delivery_id: int, *, token: uuid.UUID, wait: timedelta) -> bool:
        """Give the claim back for a while; nothing was sent, so no attempt counts."""
        return self.postpone(
            delivery_id, token=token, wait=wait, state=DeliveryState.PENDING, attempts=F("attempts") - 1
        )

    def set_aside(self, delivery_id: int, *, token: uuid.UUID, state: DeliveryState) -> bool:
        """Park or skip a claimed delivery; nothing was sent, so no attempt counts."""
        return self.finish(delivery_id, token=token, state=state, attempts=F("attempts") - 1)

    def revive(self, delivery_id: int) -> bool:
        """Make a delivery that failed for good wait again, with all attempts before it; its key and bytes stay."""
        failed = self.get_queryset().filter(pk=delivery_id, state=DeliveryState.FAILED, channel__isnull=False)
        return bool(self._make_due(failed, attempts=0))

    def hurry(self, delivery_id: int) -> bool:
        """Make a delivery that waits for its next attempt due now."""
        return bool(self._make_due(self.get_queryset().filter(pk=delivery_id, state=DeliveryState.PENDING)))

    def wake_parked(self, channel_id: int) -> int:
        """Make the parked deliveries of a channel due now; gives how many."""
        parked = self.get_queryset().filter(channel_id=channel_id, state=DeliveryState.PARKED)
        return self._make_due(parked)

    def wake_held(self, channel_id: int) -> int:
        """Make due now what an open breaker held back; gives how many."""
        attempts = apps.get_model("alerts", "DeliveryAttempt").objects.filter(delivery=OuterRef("pk"))
        held = (
            self.get_queryset()
            .filter(channel_id=channel_id, state=DeliveryState.PENDING, due_at__gt=Now())
            .annotate(last_outcome=Subquery(attempts.order_by("-number").values("outcome")[:1]))
            .filter(last_outcome=AttemptOutcome.HELD)
        )
        return self._make_due(held)

    def _make_due(self, rows: QuerySet[Any], **fields: Any) -> int:
        # No message is under way, so the sweeper takes them without grace.
        return rows.update(
            state=DeliveryState.PENDING, due_at=Now(), swept_at=database_now(plus=-RESWEEP_AFTER), **fields
        )


class DeliveryAttemptQuerySet(RepositoryQuerySet["DeliveryAttempt"]):
    """Reads that chain."""


_DeliveryAttemptRepository = Repository.from_queryset(DeliveryAttemptQuerySet)


class DeliveryAttemptRepository(_DeliveryAttemptRepository["DeliveryAttempt"]):
    """Look-ups and writes of delivery attempts."""

    def log(
        self,
        delivery_id: int,
        *,
        at: datetime,
        outcome: AttemptOutcome,
        error: str = "",
        status_code: int | None = None,
        duration_ms: int = 0,
    ) -> None:
        """Add an attempt; its delivery's row is locked by the caller.

        A delivery held back again and again has one row for that, or a receiver that is down for long fills the table.
        """
        attempts = self.get_queryset().filter(delivery_id=delivery_id)
        if outcome is AttemptOutcome.HELD:
            last = attempts.order_by("-number").first()
            if last is not None and last.outcome == AttemptOutcome.HELD:
                attempts.filter(pk=last.pk).update(at=at, error=error)
                return
        number = (attempts.aggregate(last=Max("number"))["last"] or 0) + 1
        self.create(
            delivery_id=delivery_id,
            number=number,
            at=at,
            outcome=outcome,
            error=error,
            status_code=status_code,
            duration_ms=duration_ms,
        )
