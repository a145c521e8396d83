"""What those who send write about deliveries, several of a channel by one statement each."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections
from django.db.models import Exists, F, OuterRef

from alerts.choices import DeliveryState
from alerts.digest_repositories import DigestRepository
from siteadmin.core.claims import RESWEEP_AFTER, Claimable

if TYPE_CHECKING:
    from alerts.models import Delivery

D = TypeVar("D", bound=Claimable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An attempt by which a channel accepted a delivery."""

    delivery_id: int
    token: uuid.UUID
    at: datetime
    note: str = ""
    status_code: int | None = None
    duration_ms: int = 0


class SendingRepository(DigestRepository[D]):
    """The part of the deliveries' repository by which they are claimed, sent and recorded.

    Rows are locked in the order of their ids, and deliveries before alerts, as by all others who lock several.
    """

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
        rows: Any = (
            self.get_queryset()
            .select_related("alert__event__key_detection__snapshot", "alert__camera")
            .defer("alert__event__search")
            .annotate(tells_of_more=Exists(told))
            .filter(pk__in=ids, claim_token=values["token"])
        )
        return sorted(rows, key=lambda row: (row.pk != delivery_id, row.pk))

    def begin(self, deliveries: "Sequence[Delivery]", *, lease: timedelta, fresh: set[int]) -> set[int]:
        """Let the lease of claimed deliveries begin anew, and keep the bytes of the fresh ones, by their ids.

        Every attempt sends these bytes. Gives the ids of those whose claim stands.
        """
        values: dict[str, Any] = {
            "ids": [delivery.pk for delivery in deliveries],
            "tokens": [delivery.claim_token for delivery in deliveries],
            "bodies": [delivery.body if delivery.pk in fresh else None for delivery in deliveries],
            "lease": lease,
            "swept": lease - RESWEEP_AFTER,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH made AS (
                    SELECT * FROM unnest(%(ids)s::bigint[], %(tokens)s::uuid[], %(bodies)s::bytea[])
                        AS made(id, token, body)
                ), ours AS MATERIALIZED (
                    SELECT d.id, made.body FROM alerts_delivery d JOIN made ON made.id = d.id
                    WHERE d.claim_token = made.token ORDER BY d.id FOR NO KEY UPDATE OF d
                )
                UPDATE alerts_delivery d
                SET body = coalesce(ours.body, d.body),
                    due_at = statement_timestamp() + %(lease)s, swept_at = statement_timestamp() + %(swept)s
                FROM ours WHERE d.id = ours.id
                RETURNING d.id
                """,
                values,
            )
            return {row[0] for row in cursor.fetchall()}

    def complete(self, accepted: Sequence[Accepted]) -> set[int]:
        """Record the attempts by which a channel accepted deliveries; gives the ids of those whose claim stood.

        It is then noted on their alerts too, and on all that each message tells of. Two statements, and the caller's
        transaction around them: what joined a message while the first one waited is seen by the second, and what
        joins it later finds it delivered.
        """
        values: dict[str, Any] = {
            "ids": [one.delivery_id for one in accepted],
            "tokens": [one.token for one in accepted],
            "ats": [one.at for one in accepted],
            "notes": [one.note for one in accepted],
            "statuses": [one.status_code for one in accepted],
            "durations": [one.duration_ms for one in accepted],
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH made AS (
                    SELECT * FROM unnest(
                        %(ids)s::bigint[], %(tokens)s::uuid[], %(ats)s::timestamptz[], %(notes)s::text[],
                        %(statuses)s::int[], %(durations)s::int[]
                    ) AS made(id, token, at, note, status, duration)
                ), ours AS MATERIALIZED (
                    SELECT d.id FROM alerts_delivery d JOIN made ON made.id = d.id
                    WHERE d.claim_token = made.token ORDER BY d.id FOR NO KEY UPDATE OF d
                ), done AS (
                    UPDATE alerts_delivery d
                    SET state = 'delivered', delivered_at = statement_timestamp(),
                        due_at = NULL, swept_at = NULL, claim_token = NULL, body = NULL
                    FROM ours WHERE d.id = ours.id
                    RETURNING d.id
                )
                INSERT INTO alerts_deliveryattempt
                    (delivery_id, number, at, outcome, error, status_code, duration_ms)
                SELECT id, (
                    SELECT COALESCE(MAX(number), 0) + 1 FROM alerts_deliveryattempt WHERE delivery_id = done.id
                ), at, 'delivered', note, status, duration FROM done JOIN made USING (id)
                RETURNING delivery_id
                """,
                values,
            )
            done = {row[0] for row in cursor.fetchall()}
            if done:
                cursor.execute(
                    """
                    WITH told AS (
                        UPDATE alerts_delivery SET delivered_at = statement_timestamp()
                        WHERE told_by_id = ANY(%(done)s) AND state = 'digested'
                        RETURNING alert_id
                    ), pending AS (
                        SELECT id FROM alerts_alert
                        WHERE status = 'pending' AND id IN (
                            SELECT alert_id FROM told
                            UNION SELECT alert_id FROM alerts_delivery WHERE id = ANY(%(done)s)
                        )
                        ORDER BY id FOR NO KEY UPDATE
                    )
                    UPDATE alerts_alert SET status = 'delivered', delivered_at = statement_timestamp()
                    FROM pending WHERE alerts_alert.id = pending.id
                    """,
                    {"done": sorted(done)},
                )
        return done

    def give_back(self, deliveries: "Sequence[Delivery]") -> None:
        """Let claimed deliveries wait as before; nothing was sent, so no attempt counts."""
        for delivery in deliveries:
            assert delivery.claim_token is not None
            self.hold(delivery.pk, token=delivery.claim_token, wait=timedelta(0))

    def hold(self, delivery_id: int, *, token: uuid.UUID, wait: timedelta) -> bool:
        """Give the claim back for a while; nothing was sent, so no attempt counts."""
        return self.postpone(
            delivery_id, token=token, wait=wait, state=DeliveryState.PENDING, attempts=F("attempts") - 1
        )
