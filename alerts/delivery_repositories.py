"""Reads and atomic writes of deliveries and their attempts."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connections
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When, Window
from django.db.models.functions import Now, RowNumber

from alerts.choices import AttemptOutcome, DeliveryState
from alerts.digest_repositories import DigestRepository
from siteadmin.core.claims import RESWEEP_AFTER, database_now, sweep_when_due
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Delivery, DeliveryAttempt

CLOCKS_DIFFER = timedelta(seconds=5)
"""How far the time to which a worker held something back may lie from the one that the database noted."""
SWEPT_A_CHANNEL = 4
"""Rows of one channel that a sweep asks for: each message has more of its channel sent, and a channel that thousands
wait for keeps no other's retries waiting."""


class DeliveryQuerySet(RepositoryQuerySet["Delivery"]):
    """Reads that chain."""

    def for_list(self) -> Self:
        """Leave the bodies, which are large, in the database."""
        return self.defer("body")

    def with_attempts(self) -> Self:
        """Fetch every attempt along, by one further query."""
        return self.prefetch_related("attempt_log")

    def with_next_attempt(self) -> Self:
        """Say when it is due (`next_attempt_at`); while it is being sent, that time is the end of a worker's lease."""
        return self.annotate(next_attempt_at=Case(When(state=DeliveryState.PENDING, then=F("due_at"))))


_DeliveryRepository = DigestRepository.from_queryset(DeliveryQuerySet)


class DeliveryRepository(_DeliveryRepository["Delivery"]):
    """Look-ups and writes of deliveries."""

    def skip_waiting(self, alert_id: int) -> int:
        """Skip what waits to be sent for an alert, always in one order; what is being sent just now ends by itself."""
        waiting = self.get_queryset().filter(alert_id=alert_id, state__in=(DeliveryState.PENDING, DeliveryState.PARKED))
        ids = list(waiting.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        skipped = self.get_queryset().filter(pk__in=ids)
        skipped.update(state=DeliveryState.SKIPPED, due_at=None, swept_at=None, body=None)
        self.hand_on(ids)
        return len(ids)

    def delay_waiting(self, alert_id: int, *, wait: timedelta) -> int:
        """Let what waits to be sent for an alert wait at least so long; what is being sent just now ends by itself.

        What an earlier snooze of it holds back waits for this one's end alone.
        """
        waiting = self.get_queryset().filter(alert_id=alert_id, state=DeliveryState.PENDING, due_at__isnull=False)
        locked = waiting.order_by("pk").select_for_update(of=("self",), no_key=True)
        rows: list[Any] = list(locked.values_list("pk", "due_at", "alert__snoozed_until"))
        self.hand_on([pk for pk, _, _ in rows])
        held = [pk for pk, due_at, snoozed in rows if snoozed is not None and abs(due_at - snoozed) < CLOCKS_DIFFER]
        until = database_now(plus=wait)
        later = Q(due_at__lt=until) | Q(pk__in=held)
        return (
            self.get_queryset()
            .filter(later, pk__in=[pk for pk, _, _ in rows])
            .update(due_at=until, swept_at=sweep_when_due(wait))
        )

    def find_due(self, delivery_id: int) -> "tuple[int | None, int | None] | None":
        """Give channel and alert of a delivery that is due; None where it is not, or gone.

        Asked once a message, so it is written out: Django takes longer to put it together than PostgreSQL to answer.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                "SELECT channel_id, alert_id FROM alerts_delivery WHERE id = %s AND due_at <= statement_timestamp()",
                [delivery_id],
            )
            found: tuple[int | None, int | None] | None = cursor.fetchone()
            return found

    def due_ids(self, channel_id: int | None, *, limit: int) -> list[int]:
        """Give the ids of what of a channel (None: of deleted ones) is due, the longest waiting first."""
        of_channel = Q(channel=None) if channel_id is None else Q(channel=channel_id)
        due = self.get_queryset().filter(of_channel, due_at__lte=Now())
        return list(due.order_by("due_at", "pk").values_list("pk", flat=True)[:limit])

    def take(
        self, delivery_id: int, *, channel_id: int | None = None, most: int = 1, lease: timedelta
    ) -> "Sequence[Delivery]":
        """Claim this delivery, where it is due, and further ones of its channel; with all that sending needs.

        A claim counts an attempt, so only such are taken along as were never attempted: what kills its worker takes
        others with it once and not each time. The others are locked once our own is, and none of them is waited for:
        two workers that held what the other one waits for would be a deadlock.
        """
        values: dict[str, Any] = {
            "token": uuid.uuid4(),
            "lease": lease,
            "swept": lease - RESWEEP_AFTER,
            "id": delivery_id,
            "channel": channel_id,
            "others": most - 1,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH own AS MATERIALIZED (
                    SELECT id FROM alerts_delivery
                    WHERE id = %(id)s AND due_at <= statement_timestamp() FOR NO KEY UPDATE
                ), others AS MATERIALIZED (
                    SELECT id FROM alerts_delivery
                    WHERE channel_id = %(channel)s AND due_at <= statement_timestamp() AND attempts = 0
                      AND id <> (SELECT id FROM own)
                    ORDER BY due_at, id LIMIT %(others)s FOR NO KEY UPDATE SKIP LOCKED
                )
                UPDATE alerts_delivery SET claim_token = %(token)s, state = 'sending', attempts = attempts + 1,
                    due_at = statement_timestamp() + %(lease)s, swept_at = statement_timestamp() + %(swept)s
                WHERE id = ANY(ARRAY(SELECT id FROM own UNION ALL SELECT id FROM others))
                RETURNING id
                """,
                values,
            )
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return []
        told = self.get_queryset().filter(told_by=OuterRef("pk"))
        rows = (
            self.get_queryset()
            .select_related("alert__event__key_detection__snapshot", "alert__camera")
            .defer("alert__event__search")
            .annotate(tells_of_more=Exists(told))
            .filter(pk__in=ids, claim_token=values["token"])
        )
        return sorted(rows, key=lambda row: (row.pk != delivery_id, row.pk))

    def begin(self, delivery_id: int, *, token: uuid.UUID, lease: timedelta, body: bytes) -> bool:
        """Keep the bytes that every attempt sends, and hold the claim for the sending; False where it was lost."""
        values: list[Any] = [body, lease, lease - RESWEEP_AFTER, delivery_id, token]
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                UPDATE alerts_delivery
                SET body = %s, due_at = statement_timestamp() + %s, swept_at = statement_timestamp() + %s
                WHERE id = %s AND claim_token = %s
                """,
                values,
            )
            return bool(cursor.rowcount)

    def complete(
        self,
        delivery_id: int,
        *,
        token: uuid.UUID,
        at: datetime,
        note: str = "",
        status_code: int | None = None,
        duration_ms: int = 0,
    ) -> bool:
        """Record the attempt by which a channel accepted a delivery, if the claim is still ours.

        It is then noted on its alert too, and on all that the message tells of. Two statements, and the caller's
        transaction around them: what joined the message while the first one waited is seen by the second, and what
        joins it later finds it delivered. Alerts are locked in one order.
        """
        values: dict[str, Any] = {
            "id": delivery_id,
            "token": token,
            "at": at,
            "note": note,
            "status": status_code,
            "duration": duration_ms,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH done AS (
                    UPDATE alerts_delivery
                    SET state = 'delivered', delivered_at = statement_timestamp(),
                        due_at = NULL, swept_at = NULL, claim_token = NULL, body = NULL
                    WHERE id = %(id)s AND claim_token = %(token)s
                    RETURNING id
                )
                INSERT INTO alerts_deliveryattempt
                    (delivery_id, number, at, outcome, error, status_code, duration_ms)
                SELECT id, (
                    SELECT COALESCE(MAX(number), 0) + 1 FROM alerts_deliveryattempt WHERE delivery_id = done.id
                ), %(at)s, 'delivered', %(note)s, %(status)s, %(duration)s FROM done
                """,
                values,
            )
            if not cursor.rowcount:
                return False
            cursor.execute(
                """
                WITH told AS (
                    UPDATE alerts_delivery SET delivered_at = statement_timestamp()
                    WHERE told_by_id = %(id)s AND state = 'digested'
                    RETURNING alert_id
                ), pending AS (
                    SELECT id FROM alerts_alert
                    WHERE status = 'pending' AND id IN (
                        SELECT alert_id FROM told UNION SELECT alert_id FROM alerts_delivery WHERE id = %(id)s
                    )
                    ORDER BY id FOR NO KEY UPDATE
                )
                UPDATE alerts_alert SET status = 'delivered', delivered_at = statement_timestamp()
                FROM pending WHERE alerts_alert.id = pending.id
                """,
                values,
            )
        return True

    def give_back(self, deliveries: "Sequence[Delivery]") -> None:
        """Let claimed deliveries wait as before; nothing was sent, so no attempt counts."""
        for delivery in deliveries:
            assert delivery.claim_token is not None
            self.hold(delivery.pk, token=delivery.claim_token, wait=timedelta(0))

    def hold_due(self, channel_id: int, *, wait: timedelta, error: str) -> None:
        """Let all that is due of a channel wait that long, and note why on each that was not held back before.

        What a worker is at just now is left alone.
        """
        values: dict[str, Any] = {
            "channel": channel_id,
            "wait": wait,
            "swept": wait - RESWEEP_AFTER,
            "error": error,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH held AS (
                    UPDATE alerts_delivery SET state = 'pending', claim_token = NULL,
                        due_at = statement_timestamp() + %(wait)s, swept_at = statement_timestamp() + %(swept)s
                    WHERE id = ANY(ARRAY(
                        SELECT id FROM alerts_delivery
                        WHERE channel_id = %(channel)s AND due_at <= statement_timestamp()
                        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
                    ))
                    RETURNING id
                )
                INSERT INTO alerts_deliveryattempt (delivery_id, number, at, outcome, error, duration_ms)
                SELECT held.id, COALESCE(last.number, 0) + 1, clock_timestamp(), 'held', %(error)s, 0
                FROM held LEFT JOIN LATERAL (
                    SELECT number, outcome FROM alerts_deliveryattempt
                    WHERE delivery_id = held.id ORDER BY number DESC LIMIT 1
                ) AS last ON true
                WHERE last.outcome IS DISTINCT FROM 'held'
                """,
                values,
            )

    def park_waiting(self, channel_id: int) -> int:
        """Park what waits for a channel that is off, retries too; the caller holds the channel. Gives how many."""
        waiting = Q(state=DeliveryState.PENDING) | Q(state=DeliveryState.SENDING, due_at__lte=Now())
        rows = self.get_queryset().filter(waiting, channel_id=channel_id)
        ids = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        return (
            self.get_queryset()
            .filter(pk__in=ids)
            .update(state=DeliveryState.PARKED, due_at=None, swept_at=None, claim_token=None)
        )

    def overdue(self) -> QuerySet["Delivery"]:
        """Give what has been due for too long, of each channel a few."""
        place = Window(RowNumber(), partition_by=F("channel_id"), order_by=("due_at", "pk"))
        few = super().overdue().annotate(place=place).filter(place__lte=SWEPT_A_CHANNEL)
        # Looked at once more under the lock, where another sweeper may have been first.
        return super().overdue().filter(pk__in=few.values("pk"))

    def first_of_events(self, event_ids: Sequence[int]) -> "dict[tuple[int | None, int | None, str], Delivery]":
        """Give what tells each channel of these events, by event, channel and severity; locked to the end.

        The lock lets one who records that it was sent come before or after, but not meanwhile.
        """
        rows = (
            self.get_queryset()
            .select_related("alert", "told_by")
            .only("event_id", "channel_id", "severity", "state", "alert__event_id", "told_by__state")
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

    def hold(self, delivery_id: int, *, token: uuid.UUID, wait: timedelta) -> bool:
        """Give the claim back for a while; nothing was sent, so no attempt counts."""
        return self.postpone(
            delivery_id, token=token, wait=wait, state=DeliveryState.PENDING, attempts=F("attempts") - 1
        )

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
        return rows.update(state=DeliveryState.PENDING, due_at=Now(), swept_at=sweep_when_due(timedelta(0)), **fields)


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
        """Add an attempt; its delivery's row is locked by the caller."""
        values: list[Any] = [delivery_id, at, outcome.value, error, status_code, duration_ms, delivery_id]
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO alerts_deliveryattempt
                    (delivery_id, number, at, outcome, error, status_code, duration_ms)
                SELECT %s, COALESCE(MAX(number), 0) + 1, %s, %s, %s, %s, %s
                FROM alerts_deliveryattempt WHERE delivery_id = %s
                """,
                values,
            )
