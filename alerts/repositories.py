"""Reads and atomic writes of channels and deliveries."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db.models import Case, Count, F, Max, Min, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Now

from alerts.choices import (
    SLOW_AFTER,
    AlertStatus,
    AttemptOutcome,
    ChannelKind,
    DeliveryPurpose,
    DeliveryState,
    Severity,
)
from siteadmin.core.claims import RESWEEP_AFTER, ClaimableRepository, database_now
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Channel, Delivery, DeliveryAttempt

OVER_LIMIT = "Over the channel's limit; a digest tells of it"


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

    def switched_off(self) -> Self:
        """Keep those that the product switched off itself."""
        return self.filter(enabled=False).exclude(disabled_reason="")


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
            .select_related("alert__event__key_detection__snapshot", "alert__camera", "channel")
            .filter(pk=delivery_id, claim_token=token)
            .first()
        )

    def begin(self, delivery_id: int, *, token: uuid.UUID, lease: timedelta, body: bytes) -> bool:
        """Keep the bytes that every attempt sends, and hold the claim for the sending; False where it was lost."""
        mine = self.get_queryset().filter(pk=delivery_id, claim_token=token)
        return bool(mine.update(body=body, due_at=database_now(plus=lease)))

    def load_of_channel(self, channel_id: int, *, lease: timedelta) -> tuple[int, bool]:
        """Give how many attempts of the channel are under way, and whether one has been for a while.

        Served by the index of what is due; a lease that ended belongs to a worker that died.
        """
        sending = self.get_queryset().filter(channel_id=channel_id, state=DeliveryState.SENDING, due_at__gt=Now())
        slow = Q(due_at__lt=database_now(plus=lease - SLOW_AFTER), body__isnull=False)
        counts = sending.aggregate(running=Count("pk"), slow=Count("pk", filter=slow))
        return counts["running"], bool(counts["slow"])

    def first_of_events(self, event_ids: Sequence[int]) -> "dict[tuple[int | None, int | None, str], Delivery]":
        """Give what tells each channel of these events, by event, channel and severity; locked to the end.

        The lock lets one who records that it was sent come before or after, but not meanwhile.
        """
        rows = (
            self.get_queryset()
            .defer("body", "told_by__body")
            .select_related("alert", "told_by")
            .filter(alert__event_id__in=event_ids, event__isnull=False)
            .exclude(state=DeliveryState.SKIPPED)
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        return {(row.alert.event_id, row.channel_id, row.severity): row for row in rows if row.alert is not None}

    def for_link(self, delivery_id: int) -> "Delivery | None":
        """Give a delivery with its alert, camera and channel, without its body."""
        return self.defer("body").select_related("alert__camera", "channel").filter(pk=delivery_id).first()

    def channels_told(self, alert_id: int) -> set[int | None]:
        """Give the ids of the channels that have a delivery of the alert already."""
        return set(self.get_queryset().filter(alert_id=alert_id).values_list("channel_id", flat=True))

    def gathering_of(self, channel_id: int) -> "Delivery | None":
        """Give the digest that the channel gathers, if there is one; the caller holds the channel's pace."""
        return self.get_queryset().filter(channel_id=channel_id, gathering=True).first()

    def open_digest(self, *, channel_id: int, channel_name: str, key: str, due_at: datetime) -> "Delivery":
        """Begin a digest, to be sent at that time; no message is under way for it."""
        return self.create(
            purpose=DeliveryPurpose.DIGEST,
            channel_id=channel_id,
            channel_name=channel_name,
            idempotency_key=key,
            gathering=True,
            due_at=due_at,
            swept_at=due_at - RESWEEP_AFTER,
        )

    def gather(self, ids: Sequence[int], *, into: int, token: uuid.UUID) -> bool:
        """Let a digest tell of a claimed delivery, and of what that one tells of; nothing was sent."""
        fields: dict[str, Any] = {"state": DeliveryState.DIGESTED, "told_by": into, "reason": OVER_LIMIT}
        gathered = [self.set_aside(delivery_id, token=token, **fields) for delivery_id in ids]
        self.get_queryset().filter(told_by__in=ids).update(told_by=into)
        return all(gathered)

    def stop_gathering(self, delivery_id: int, *, token: uuid.UUID) -> bool:
        """Let a digest take no more, if the claim is still ours."""
        return bool(self.get_queryset().filter(pk=delivery_id, claim_token=token).update(gathering=False))

    def tells_of_any(self, delivery_id: int) -> bool:
        """Tell whether a digest holds an alert that was not dismissed."""
        return self._told_open(delivery_id).exists()

    def told_counts(self, delivery_id: int) -> "list[tuple[str, str, int]]":
        """Give how many alerts a digest tells of, by camera's name and severity."""
        rows = self._told_open(delivery_id).values_list("alert__camera__name", "alert__severity").order_by()
        return list(rows.annotate(number=Count("pk")))

    def told_span(self, delivery_id: int) -> tuple[datetime, datetime]:
        """Give when the first and the last alert of a digest were made."""
        span = self._told_open(delivery_id).aggregate(first=Min("alert__created_at"), last=Max("alert__created_at"))
        return span["first"], span["last"]

    def worst_told(self, delivery_id: int, *, limit: int) -> "Sequence[Delivery]":
        """Give those whose alerts are the worst that a digest tells of, with alert, event and camera."""
        rank = Case(*(When(alert__severity=one, then=one.rank) for one in Severity))
        worst = self._told_open(delivery_id).select_related("alert__event__key_detection__snapshot", "alert__camera")
        return list(worst.order_by(-rank, F("alert__event__risk_score").desc(nulls_last=True), "alert_id")[:limit])

    def also_told(self, delivery_id: int) -> Sequence[str]:
        """Give the names of the rules whose alerts a message tells of beside its own."""
        return list(self._told_open(delivery_id).order_by("alert_id").values_list("alert__rule_name", flat=True))

    def _told_open(self, delivery_id: int) -> QuerySet[Any]:
        return self.get_queryset().filter(told_by=delivery_id).exclude(alert__status=AlertStatus.DISMISSED)

    def note_told(self, delivery_id: int) -> list[int]:
        """Note that what a message tells of was delivered with it; gives the ids of the alerts."""
        told = self.get_queryset().filter(told_by=delivery_id, state=DeliveryState.DIGESTED)
        if not told.update(delivered_at=Now()):
            return []
        return sorted(filter(None, told.values_list("alert_id", flat=True)))

    def hold(self, delivery_id: int, *, token: uuid.UUID, wait: timedelta) -> bool:
        """Give the claim back for a while; nothing was sent, so no attempt counts."""
        return self.postpone(
            delivery_id, token=token, wait=wait, state=DeliveryState.PENDING, attempts=F("attempts") - 1
        )

    def set_aside(self, delivery_id: int, *, token: uuid.UUID, state: DeliveryState, **fields: Any) -> bool:
        """Park, skip or gather a claimed delivery; nothing was sent, so no attempt counts."""
        return self.finish(delivery_id, token=token, state=state, attempts=F("attempts") - 1, **fields)

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
