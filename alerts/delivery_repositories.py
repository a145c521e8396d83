"""Reads and atomic writes of deliveries and their attempts."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connections
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When, Window
from django.db.models.functions import Now, RowNumber
from django.utils import timezone

from alerts.choices import AttemptOutcome, DeliveryState, RuleTrigger
from alerts.sending_repositories import SendingRepository
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


_DeliveryRepository = SendingRepository.from_queryset(DeliveryQuerySet)


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

    def channels_waited_for(self, besides: Sequence[int]) -> set[int]:
        """Give those channels of these deliveries for which others are due too."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                SELECT DISTINCT own.channel_id FROM alerts_delivery own
                WHERE own.id = ANY(%(ids)s) AND EXISTS (
                    SELECT FROM alerts_delivery other
                    WHERE other.channel_id = own.channel_id AND other.due_at <= statement_timestamp()
                      AND other.id <> ALL(%(ids)s)
                )
                """,
                {"ids": list(besides)},
            )
            return {row[0] for row in cursor.fetchall()}

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

        The lock lets one who records that it was sent come before or after, but not meanwhile. What failed for good
        tells nobody, and leaves its place to the next.
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
        found = list(rows)
        failed = {row.pk for row in found if DeliveryState.FAILED in (row.state, row.told_by and row.told_by.state)}
        if failed:
            self.get_queryset().filter(pk__in=failed).update(event=None)
        return {
            (row.alert.event_id, row.channel_id, row.severity): row
            for row in found
            if row.alert is not None and row.pk not in failed
        }

    def for_link(self, delivery_id: int) -> "Delivery | None":
        """Give a delivery with its alert, camera and channel, without its body."""
        return self.defer("body").select_related("alert__camera", "channel").filter(pk=delivery_id).first()

    def channels_told(self, alert_id: int) -> set[int | None]:
        """Give the ids of the channels that have a delivery of the alert already."""
        return set(self.get_queryset().filter(alert_id=alert_id).values_list("channel_id", flat=True))

    def revive(self, delivery_id: int) -> bool:
        """Make a delivery that failed for good wait again, with all attempts before it; its key and bytes stay."""
        failed = self.get_queryset().filter(pk=delivery_id, state=DeliveryState.FAILED, channel__isnull=False)
        return bool(self._make_due(failed, attempts=0))

    def hurry(self, delivery_id: int) -> bool:
        """Make a delivery that waits for its next attempt due now."""
        return bool(self._make_due(self.get_queryset().filter(pk=delivery_id, state=DeliveryState.PENDING)))

    def forget_bodies(self, *, older_than: datetime | None) -> int:
        """Drop the bytes of what failed or is parked, where its event is gone or, of a digest, it is older; how many.

        Alerts about a camera's silence have no event, and no picture.
        """
        gone = Q(alert__trigger=RuleTrigger.EVENT, alert__event=None)
        old = Q(alert=None, created_at__lt=older_than) if older_than is not None else Q(pk__in=())
        kept = self.get_queryset().filter(state__in=(DeliveryState.FAILED, DeliveryState.PARKED)).exclude(body=None)
        ids = list(kept.filter(gone | old).values_list("pk", flat=True))
        # Somebody may have tried one again meanwhile.
        return kept.filter(pk__in=ids).update(body=None)

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

    def note_held(self, delivery_id: int, *, error: str) -> None:
        """Note why a delivery is held back, unless that is what was noted last; its row is locked by the caller."""
        noted = self.get_queryset().filter(delivery_id=delivery_id).order_by("-number").values_list("outcome", "error")
        if noted.first() != (AttemptOutcome.HELD, error):
            self.log(delivery_id, at=timezone.now(), outcome=AttemptOutcome.HELD, error=error)

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
