"""Reads and atomic writes of rules, alerts and cooldowns."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import connections
from django.db.models import Case, F, OuterRef, Subquery, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from alerts.choices import NOT_DISMISSED, UNACKNOWLEDGED, AlertStatus, ChannelKind, Severity
from cameras.queries import of_active_cameras
from siteadmin.core.claims import RESWEEP_AFTER
from siteadmin.core.reading import fetch_prepared
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Alert, AlertRule, Channel, Cooldown


_CREATE_DECIDED = """
WITH made AS (
    INSERT INTO alerts_alert (
        event_id, rule_id, rule_name, camera_id, trigger, severity, status, dedup_key,
        matched_conditions, suppression_reason, created_at,
        version, suppressed_count, acknowledged_by, dismissed_by, snoozed_by, note
    )
    SELECT event, rule, name, camera, trigger, severity, status, key,
        conditions::jsonb, reason, coalesce(at, statement_timestamp()), 1, 0, '', '', '', ''
    FROM unnest(
        %(events)s::bigint[], %(rules)s::bigint[], %(names)s::text[], %(cameras)s::text[],
        %(triggers)s::text[], %(severities)s::text[], %(statuses)s::text[], %(keys)s::text[],
        %(conditions)s::text[], %(reasons)s::text[], %(times)s::timestamptz[]
    ) WITH ORDINALITY AS new(
        event, rule, name, camera, trigger, severity, status, key, conditions, reason, at, place
    )
    ORDER BY place
    RETURNING id, event_id, rule_id, status
), waits AS (
    INSERT INTO alerts_escalation (alert_id, position, reason, attempts, due_at, swept_at)
    SELECT DISTINCT ON (made.id) made.id, 1, '', 0,
        now() + make_interval(secs => step.wait_seconds),
        now() + make_interval(secs => step.wait_seconds) - %(unswept)s
    FROM made JOIN alerts_escalationstep step ON step.rule_id = made.rule_id
    WHERE made.status <> 'suppressed'
    ORDER BY made.id, step.position
)
SELECT event_id, rule_id, id FROM made
"""
_CLAIM_KEYS = """
WITH wanted AS (
    SELECT * FROM unnest(%(keys)s::text[], %(ranks)s::int[], %(cooldowns)s::interval[])
        AS wanted(key, rank, cooldown)
)
INSERT INTO alerts_cooldown AS held (dedup_key, fired_at)
SELECT key, array_fill(clock_timestamp(), ARRAY[rank + 1]) FROM wanted ORDER BY key
ON CONFLICT (dedup_key) DO UPDATE SET
    fired_at = array_fill(clock_timestamp(), ARRAY[cardinality(excluded.fired_at)])
               || held.fired_at[cardinality(excluded.fired_at) + 1:]
WHERE (
    SELECT wanted.cooldown = interval '0'
        OR held.fired_at[wanted.rank + 1] IS NULL
        OR held.fired_at[wanted.rank + 1] < clock_timestamp() - wanted.cooldown
    FROM wanted WHERE wanted.key = held.dedup_key
)
RETURNING dedup_key, fired_at[1]
"""


class AlertRuleQuerySet(RepositoryQuerySet["AlertRule"]):
    """Reads that chain."""

    def with_channels(self) -> Self:
        """Fetch the channels along, those of the escalation too, by three further queries."""
        return self.prefetch_related("channels", "escalation_steps__channels")

    def with_last_fired(self) -> Self:
        """Add `last_fired_at`, when its newest alert that was not suppressed was made, or None."""
        alerts = apps.get_model("alerts", "Alert")._default_manager
        fired = alerts.filter(rule=OuterRef("pk")).exclude(status=AlertStatus.SUPPRESSED)
        return self.annotate(last_fired_at=Subquery(fired.order_by("-created_at", "-pk").values("created_at")[:1]))


_AlertRuleRepository = Repository.from_queryset(AlertRuleQuerySet)


class AlertRuleRepository(_AlertRuleRepository["AlertRule"]):
    """Look-ups and writes of rules."""

    def get_locked(self, rule_id: int) -> "AlertRule | None":
        """Give the rule, locked against everybody until the transaction ends."""
        return self.get_queryset().select_for_update().filter(pk=rule_id).first()

    def get_shown(self, rule_id: int) -> "AlertRule":
        """Give a rule that exists with its channels and when it last fired."""
        return self.with_channels().with_last_fired().get(pk=rule_id)

    def channels_of(self, rule_ids: Sequence[int]) -> "dict[int, list[Channel]]":
        """Give the channels of each of these rules, without settings and secrets, in the order of their ids."""
        channel = apps.get_model("alerts", "Channel")
        channels: dict[int, list[Channel]] = defaultdict(list)
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                SELECT of_rule.alertrule_id, c.id, c.name, c.kind, c.enabled
                FROM alerts_alertrule_channels of_rule JOIN alerts_channel c ON c.id = of_rule.channel_id
                WHERE of_rule.alertrule_id = ANY(%s) ORDER BY c.id
                """,
                [list(rule_ids)],
            )
            for rule_id, *values in cursor.fetchall():
                channels[rule_id].append(channel.from_db(self.db, ["id", "name", "kind", "enabled"], values))
        return channels

    def get_versions(self, versions: Sequence[str]) -> "list[tuple[str, AlertRule]]":
        """Read the rules of these versions as they are now, each with its version of now; what is gone is left out.

        A version is a rule's id with the row's own version in PostgreSQL, where its transaction and its place change
        with every write, whoever writes. So what was read once stands for that version for good.
        """
        rule_ids = [int(version.partition(" ")[0]) for version in versions]
        own = RawSQL("alerts_alertrule.id || ' ' || alerts_alertrule.xmin || ' ' || alerts_alertrule.ctid", [])
        rows: Any = self.get_queryset().filter(pk__in=rule_ids).annotate(row_version=own).order_by("pk")
        return [(rule.row_version, rule) for rule in rows]

    def of_demo(self) -> "Sequence[AlertRule]":
        """Give the demo's rules."""
        return list(self.get_queryset().filter(demo=True))


class AlertQuerySet(RepositoryQuerySet["Alert"]):
    """Reads that chain."""

    def unacknowledged(self) -> Self:
        """Keep what still waits for somebody to say that they know."""
        return self.filter(status__in=UNACKNOWLEDGED)

    def in_inbox(self) -> Self:
        """Keep what an inbox shows."""
        return self.filter(deliveries__channel__kind=ChannelKind.INBOX).distinct()

    def with_camera(self) -> Self:
        """Fetch the camera along."""
        return self.select_related("camera")

    def for_api(self) -> Self:
        """Leave out what belongs to a deleted camera, and fetch the escalation along."""
        return of_active_cameras(self).select_related("escalation")


_AlertRepository = Repository.from_queryset(AlertQuerySet)


class AlertRepository(_AlertRepository["Alert"]):
    """Look-ups and writes of alerts."""

    def adopt(self, *, into: int) -> None:
        """Move the alerts of events that were merged into this one to it."""
        self.get_queryset().filter(event__merged_into=into).update(event_id=into)

    def is_seen(self, alert_id: int, *, camera_ids: Collection[str] | None) -> bool:
        """Tell whether there is such an alert of a camera that is not deleted (one of these, where given)."""
        rows = self.for_api().filter(pk=alert_id)
        return (rows if camera_ids is None else rows.filter(camera_id__in=camera_ids)).exists()

    def create_decided(self, alerts: "Sequence[Alert]") -> None:
        """Insert the alerts of rules that were judged together, one an event and rule; the escalation of those that are
        not suppressed begins to wait, where their rule has one.

        Sets their ids. One statement: Django takes longer to put one together than PostgreSQL to run it.
        """
        values: dict[str, Any] = {
            "events": [alert.event_id for alert in alerts],
            "rules": [alert.rule_id for alert in alerts],
            "names": [alert.rule_name for alert in alerts],
            "cameras": [alert.camera_id for alert in alerts],
            "triggers": [str(alert.trigger) for alert in alerts],
            "severities": [str(alert.severity) for alert in alerts],
            "statuses": [str(alert.status) for alert in alerts],
            "keys": [alert.dedup_key for alert in alerts],
            "conditions": [json.dumps(alert.matched_conditions) for alert in alerts],
            "reasons": [alert.suppression_reason for alert in alerts],
            "times": [alert.created_at if isinstance(alert.created_at, datetime) else None for alert in alerts],
            "unswept": RESWEEP_AFTER,
        }
        if not alerts:
            return
        rows = fetch_prepared(_CREATE_DECIDED, values, using=self.db)
        made = {(event_id, rule_id): alert_id for event_id, rule_id, alert_id in rows}
        for alert in alerts:
            alert.pk = made[alert.event_id, alert.rule_id]

    def newest_within(self, dedup_key: str, *, cooldown: timedelta) -> "tuple[Alert, timedelta] | None":
        """Give the key's newest alert within the cooldown and its age, by the database's clock; None where none is."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now: datetime = cursor.fetchone()[0]
        alert = (
            self.get_queryset()
            .filter(dedup_key=dedup_key, created_at__gte=now - cooldown)
            .exclude(status=AlertStatus.SUPPRESSED)
            .order_by("-created_at", "-pk")
            .first()
        )
        return None if alert is None else (alert, now - alert.created_at)

    def newest_of_rank(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Give the id of the newest alert of each key and at least this rank of severity; none where none is left."""
        if not wanted:
            return {}
        pairs: dict[str, Any] = {
            "keys": [key for key, _ in wanted],
            "ranks": [rank for _, rank in wanted],
            "severities": list(Severity.values),
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                SELECT wanted.key, wanted.rank, newest.id
                FROM unnest(%(keys)s::text[], %(ranks)s::int[]) AS wanted(key, rank)
                CROSS JOIN LATERAL (
                    SELECT a.id FROM alerts_alert a
                    WHERE a.dedup_key = wanted.key AND a.status <> 'suppressed'
                      AND array_position(%(severities)s::text[], a.severity::text) > wanted.rank
                    ORDER BY a.created_at DESC, a.id DESC LIMIT 1
                ) AS newest
                """,
                pairs,
            )
            return {(key, rank): alert_id for key, rank, alert_id in cursor.fetchall()}

    def count_duplicates(self, numbers: Mapping[int, int]) -> None:
        """Add to how many duplicates each of these alerts stands for; the caller holds their keys' cooldowns."""
        if not numbers:
            return
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                UPDATE alerts_alert a SET suppressed_count = a.suppressed_count + new.number
                FROM unnest(%s::bigint[], %s::int[]) AS new(id, number) WHERE a.id = new.id
                """,
                [list(numbers), list(numbers.values())],
            )

    def get_locked(self, alert_id: int) -> "Alert | None":
        """Give the alert with its camera, locked until the transaction ends."""
        return (
            self.get_queryset()
            .select_related("camera")
            .select_for_update(of=("self",), no_key=True)
            .filter(pk=alert_id)
            .first()
        )

    def mark_all_delivered(self, alert_ids: Sequence[int]) -> int:
        """Note that a channel accepted these alerts, those of them that are pending; locked in one order."""
        pending = self.get_queryset().filter(pk__in=alert_ids, status=AlertStatus.PENDING)
        if len(alert_ids) == 1:
            return pending.update(status=AlertStatus.DELIVERED, delivered_at=Now())
        ids = list(pending.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        return self.get_queryset().filter(pk__in=ids).update(status=AlertStatus.DELIVERED, delivered_at=Now())

    def acknowledge(self, alert_id: int, *, by: str, note: str | None, version: int | None) -> bool:
        """Note that somebody knows; False where the alert's state (or version, where given) is not the right one."""
        return self._change(
            alert_id,
            allowed=UNACKNOWLEDGED,
            version=version,
            note=note,
            status=AlertStatus.ACKNOWLEDGED,
            acknowledged_by=by,
            acknowledged_at=Now(),
        )

    def dismiss(self, alert_id: int, *, by: str, note: str | None, version: int | None) -> bool:
        """Put the alert aside, its snooze over; False where its state (or version, where given) is not right."""
        return self._change(
            alert_id,
            allowed=NOT_DISMISSED,
            version=version,
            note=note,
            status=AlertStatus.DISMISSED,
            dismissed_by=by,
            dismissed_at=Now(),
            snoozed_until=Case(When(snoozed_until__gt=Now(), then=Now()), default=F("snoozed_until")),
        )

    def snooze(self, alert_id: int, *, minutes: int, by: str, note: str | None, version: int | None) -> bool:
        """Leave people in peace for a while; False where the alert's state (or version, where given) is not right."""
        until = Now() + timedelta(minutes=minutes)
        return self._change(
            alert_id,
            allowed=NOT_DISMISSED,
            version=version,
            note=note,
            snoozed_by=by,
            snoozed_at=Now(),
            snoozed_until=until,
        )

    def _change(
        self, alert_id: int, *, allowed: Iterable[str], version: int | None, note: str | None, **fields: Any
    ) -> bool:
        rows = self.get_queryset().filter(pk=alert_id, status__in=allowed)
        rows = rows if version is None else rows.filter(version=version)
        if note is not None:
            fields["note"] = note
        return bool(rows.update(version=F("version") + 1, **fields))


class CooldownQuerySet(RepositoryQuerySet["Cooldown"]):
    """Reads that chain."""


_CooldownRepository = Repository.from_queryset(CooldownQuerySet)


class CooldownRepository(_CooldownRepository["Cooldown"]):
    """The one place where it is decided who may alert under a key."""

    def claim(self, wanted: Sequence[tuple[str, int, timedelta]]) -> dict[str, datetime]:
        """Take each key, given with rank of severity and cooldown, whose window is over; gives when each fired.

        One statement decides for whoever comes at the same time: the row's lock lets one in after the other,
        and each looks at the row as the one before left it, at the database's clock of that moment. An earlier
        alert of a lower severity is no obstacle, since `fired_at` is kept by severity. Keys are taken in one
        order by everybody, so that nobody waits for each other in a circle; they stay locked, taken or not, to
        the end of the transaction, and a rollback gives them back. No key may be given twice.
        """
        values: dict[str, Any] = {
            "keys": [key for key, _, _ in wanted],
            "ranks": [rank for _, rank, _ in wanted],
            "cooldowns": [cooldown for _, _, cooldown in wanted],
        }
        return dict(fetch_prepared(_CLAIM_KEYS, values, using=self.db))
