"""Reads and atomic writes of digests: deliveries that tell of others."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections
from django.db.models import Case, Count, F, Max, Min, QuerySet, When
from django.db.models.functions import Now

from alerts.choices import AlertStatus, DeliveryPurpose, DeliveryState, Severity
from siteadmin.core.claims import RESWEEP_AFTER, Claimable, ClaimableRepository, sweep_when_due

if TYPE_CHECKING:
    from alerts.models import Delivery

D = TypeVar("D", bound=Claimable)

OVER_LIMIT = "Over the channel's limit; a digest tells of it"
GATHERED_AT_ONCE = 500


class DigestRepository(ClaimableRepository[D]):
    """The part of the deliveries' repository that knows who tells of whom."""

    def set_aside(self, delivery_id: int, *, token: uuid.UUID, state: DeliveryState, **fields: Any) -> bool:
        """Park, skip or gather a claimed delivery; nothing was sent, so no attempt counts."""
        return self.finish(delivery_id, token=token, state=state, attempts=F("attempts") - 1, **fields)

    def gathering_of(self, channel_id: int) -> D | None:
        """Give the digest that the channel gathers, if there is one; the caller holds the channel's pace."""
        return self.get_queryset().filter(channel_id=channel_id, gathering=True).first()

    def open_digest(self, *, channel_id: int, channel_name: str, key: str, due_at: datetime) -> D:
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

    def gather(self, deliveries: "Sequence[Delivery]", *, channel_id: int, into: int) -> None:
        """Let a digest tell of claimed deliveries of a channel, of what is due of it, and of what these tell of.

        Nothing was sent, so no attempt counts. Of what is due critical ones are left, as they pass the limit, and what
        was attempted, as it may have arrived.
        """
        values: dict[str, Any] = {
            "ids": [delivery.pk for delivery in deliveries],
            "tokens": [delivery.claim_token for delivery in deliveries],
            "channel": channel_id,
            "into": into,
            "reason": OVER_LIMIT,
            "most": GATHERED_AT_ONCE,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH claimed AS MATERIALIZED (
                    SELECT d.id FROM alerts_delivery d
                    JOIN unnest(%(ids)s::bigint[], %(tokens)s::uuid[]) AS ours(id, token) ON ours.id = d.id
                    WHERE d.claim_token = ours.token ORDER BY d.id FOR NO KEY UPDATE OF d
                ), due AS MATERIALIZED (
                    SELECT id FROM alerts_delivery
                    WHERE channel_id = %(channel)s AND due_at <= statement_timestamp() AND state = 'pending'
                      AND body IS NULL AND purpose = 'alert' AND severity <> 'critical'
                    ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
                ), gathered AS (
                    UPDATE alerts_delivery
                    SET state = 'digested', told_by_id = %(into)s, reason = %(reason)s, due_at = NULL, swept_at = NULL,
                        attempts = attempts - (claim_token IS NOT NULL)::int, claim_token = NULL
                    WHERE id = ANY(ARRAY(SELECT id FROM claimed UNION SELECT id FROM due))
                    RETURNING id
                )
                UPDATE alerts_delivery SET told_by_id = %(into)s
                WHERE told_by_id = ANY(ARRAY(SELECT id FROM gathered))
                """,
                values,
            )

    def hand_on(self, ids: Sequence[int]) -> None:
        """Let others tell of what these deliveries were to tell of and will not, or not now.

        Of several the first one tells of all; it is due at once. Dismissed alerts are told of by nobody.
        """
        told = self.get_queryset().filter(told_by__in=ids, state=DeliveryState.DIGESTED, delivered_at=None)
        told = told.exclude(alert__status=AlertStatus.DISMISSED).order_by("pk")
        waiting = list(told.select_for_update(of=("self",), no_key=True).values_list("pk", "told_by"))
        heirs: dict[int, int] = {}
        for delivery_id, teller in waiting:
            heirs.setdefault(teller, delivery_id)
        for teller, heir in heirs.items():
            event_id = self.get_queryset().values_list("event_id", flat=True).get(pk=teller)
            self.get_queryset().filter(pk=teller).update(event=None)
            self.get_queryset().filter(pk=heir).update(
                state=DeliveryState.PENDING,
                due_at=Now(),
                swept_at=sweep_when_due(timedelta(0)),
                told_by=None,
                reason="",
                event=event_id,
            )
            self.get_queryset().filter(told_by=teller).update(told_by=heir)

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

    def worst_told(self, delivery_id: int, *, limit: int) -> Sequence[D]:
        """Give those whose alerts are the worst that a digest tells of, with alert, event and camera."""
        rank = Case(*(When(alert__severity=one, then=one.rank) for one in Severity))
        worst = self._told_open(delivery_id).select_related("alert__event__key_detection__snapshot", "alert__camera")
        return list(worst.order_by(-rank, F("alert__event__risk_score").desc(nulls_last=True), "alert_id")[:limit])

    def also_told(self, delivery_id: int) -> Sequence[str]:
        """Give the names of the rules whose alerts a message tells of beside its own."""
        return list(self._told_open(delivery_id).order_by("alert_id").values_list("alert__rule_name", flat=True))

    def _told_open(self, delivery_id: int) -> QuerySet[Any]:
        return self.get_queryset().filter(told_by=delivery_id).exclude(alert__status=AlertStatus.DISMISSED)
