"""What judging the rules reads and writes, each by one statement."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Case, When

from alerts.choices import Decision, RuleTrigger
from siteadmin.core.claims import RESWEEP_AFTER
from siteadmin.core.reading import fetch_prepared
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Evaluation, RuleDecision

_STANDING = """
    clock_timestamp() AS now,
    coalesce((SELECT name FROM alerts_mode WHERE is_active), '') AS mode,
    ARRAY(SELECT rule.id || ' ' || rule.xmin || ' ' || rule.ctid FROM alerts_alertrule rule
          WHERE rule.enabled AND rule.trigger = %(trigger)s ORDER BY rule.id) AS rules
"""
_CLAIM_WAITING = """
WITH own AS MATERIALIZED (
    SELECT id, attempts FROM events_event
    WHERE id = %(id)s AND due_at <= statement_timestamp() FOR NO KEY UPDATE
), others AS MATERIALIZED (
    SELECT id FROM events_event
    WHERE due_at <= statement_timestamp() AND attempts = 0 AND id <> %(id)s
      AND NOT EXISTS (SELECT FROM own WHERE attempts > 0)
    ORDER BY due_at LIMIT %(others)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE events_event SET claim_token = %(token)s, attempts = attempts + 1,
    due_at = statement_timestamp() + %(lease)s, swept_at = statement_timestamp() + %(swept)s
WHERE id = ANY(ARRAY(SELECT id FROM own UNION ALL SELECT id FROM others))
RETURNING id
"""
_LOOK = f"""
WITH held AS MATERIALIZED (
    SELECT event.id, event.camera_id, camera.demo, event.risk_score, event.ended_at, event.attempts,
           event.deleted_at IS NULL AND event.merged_into_id IS NULL AND camera.deleted_at IS NULL AS is_visible
    FROM events_event event JOIN cameras_camera camera ON camera.id = event.camera_id
    WHERE event.id = ANY(%(ids)s) AND event.claim_token = %(token)s
    ORDER BY event.id FOR NO KEY UPDATE OF event {{waiting}}
)
SELECT {_STANDING}, coalesce((SELECT json_agg(json_build_object(
    'event_id', id, 'camera_id', camera_id, 'demo', demo, 'risk_score', risk_score, 'ended_at', ended_at,
    'attempts', attempts, 'is_visible', is_visible,
    'has_merged', EXISTS (SELECT FROM events_event gone WHERE gone.merged_into_id = held.id),
    'has_alerts', EXISTS (SELECT FROM alerts_alert alert WHERE alert.event_id = held.id),
    'decided', ARRAY(SELECT rule_id FROM alerts_ruledecision decision WHERE decision.event_id = held.id),
    'detections', (
        SELECT coalesce(json_agg(json_build_array(d.id, d.object_type, d.confidence, d.zones, d.detected_at,
                                                  d.created_at) ORDER BY d.detected_at, d.id), '[]')
        FROM events_detection d WHERE d.event_id = held.id),
    'zones', (SELECT coalesce(json_object_agg(zone.id, zone.name), '{{{{}}}}')
              FROM cameras_zone zone WHERE zone.camera_id = held.camera_id),
    'reasons', coalesce((SELECT reasons FROM alerts_evaluation known WHERE known.event_id = held.id), '{{{{}}}}')
) ORDER BY id) FROM held), '[]') AS events
"""  # noqa: S608 - of constants
_NOTE = """
INSERT INTO alerts_evaluation AS held (event_id, change_id, reasons, changed_at)
VALUES (%(event)s, %(change)s, %(reasons)s, clock_timestamp())
ON CONFLICT ({cause}) DO UPDATE SET reasons = excluded.reasons, changed_at = excluded.changed_at
"""
_FINISH = """
UPDATE events_event SET due_at = NULL, swept_at = NULL, claim_token = NULL, attempts = 0
WHERE id = ANY(%(ids)s) AND claim_token = %(token)s
"""
_DECIDE = """
INSERT INTO alerts_ruledecision (event_id, change_id, rule_id, outcome, reason, alert_id, decided_at)
SELECT event, change, rule, outcome, reason, alert, clock_timestamp()
FROM unnest(%(events)s::bigint[], %(changes)s::bigint[], %(rules)s::bigint[], %(outcomes)s::text[],
            %(reasons)s::text[], %(alerts)s::bigint[]) AS new(event, change, rule, outcome, reason, alert)
ORDER BY event, rule
ON CONFLICT DO NOTHING
RETURNING event_id, change_id, rule_id
"""
_CLOSE = f"""
WITH finished AS ({_FINISH}), noted AS (
    INSERT INTO alerts_evaluation AS held (event_id, reasons, changed_at)
    SELECT event, why::jsonb, clock_timestamp() FROM unnest(%(noted)s::bigint[], %(whys)s::text[]) AS new(event, why)
    ON CONFLICT (event_id) DO UPDATE SET reasons = excluded.reasons, changed_at = excluded.changed_at
), decided AS ({_DECIDE})
SELECT event_id, change_id, rule_id FROM decided
"""  # noqa: S608 - of constants


@dataclass(slots=True, frozen=True)
class Look:
    """All that is known of a claimed event."""

    event_id: int
    camera_id: str
    demo: bool
    risk_score: int | None
    ended_at: datetime
    attempts: int
    is_visible: bool
    """Whether neither it nor its camera was deleted or merged into another."""
    has_merged: bool
    """Whether other events were merged into it."""
    has_alerts: bool
    decided: frozenset[int]
    """Ids of the rules that are decided."""
    detections: Sequence[tuple[int, str, float, Sequence[int], datetime, datetime]]
    """Id, type, confidence, zones, time and arrival of each."""
    zones: Mapping[int, str]
    """The names of its camera's zones, by id."""
    reasons: Mapping[int, str]
    """What is stored of why rules do not hold yet, by rule's id."""


@dataclass(slots=True, frozen=True)
class Standing:
    """How things stand for whoever judges rules now."""

    now: datetime
    """By the database's clock."""
    mode: str
    """The active one, "" where none is."""
    rules: Sequence[str]
    """Versions of the rules that are on, which `AlertRuleRepository.get_versions` reads."""
    events: Sequence[Look] = ()


@dataclass(slots=True, frozen=True)
class DecisionRow:
    """One decision to be written, of an event or of a camera's change of status."""

    event_id: int | None
    change_id: int | None
    rule_id: int
    outcome: Decision
    reason: str
    alert_id: int | None

    @property
    def key(self) -> tuple[int | None, int | None, int]:
        """What is decided once: cause and rule."""
        return self.event_id, self.change_id, self.rule_id


class RuleDecisionQuerySet(RepositoryQuerySet["RuleDecision"]):
    """Reads that chain."""

    def for_event(self, event_id: int) -> Self:
        """Give what was decided for an event, rule by rule, with rule and alert."""
        return self.filter(event_id=event_id).select_related("rule", "alert").order_by("rule__name", "rule_id")

    def for_change(self, change_id: int) -> Self:
        """Give the same for a camera's change of status."""
        return self.filter(change_id=change_id).select_related("rule", "alert").order_by("rule__name", "rule_id")

    def of_cameras(self, camera_ids: Sequence[str] | frozenset[str]) -> Self:
        """Keep what belongs to events and changes of these cameras."""
        return self.filter(event__camera_id__in=camera_ids) | self.filter(change__camera_id__in=camera_ids)

    def duplicates_of(self, alert_id: int) -> Self:
        """Give what the alert stands for beside its own cause, newest first, with event, change and rule."""
        return (
            self.filter(alert_id=alert_id, outcome=Decision.DUPLICATE)
            .select_related("event", "change", "rule")
            .order_by("-decided_at", "-pk")
        )


_RuleDecisionRepository = Repository.from_queryset(RuleDecisionQuerySet)


class RuleDecisionRepository(_RuleDecisionRepository["RuleDecision"]):
    """Look-ups and writes of rule decisions."""

    def decide(self, decisions: Sequence[DecisionRow]) -> set[tuple[int | None, int | None, int]]:
        """Write these decisions and give the keys of those that were written: the constraint decides."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_DECIDE, _columns_of(decisions))
            return set(cursor.fetchall())

    def decided_of_change(self, change_id: int) -> set[int]:
        """Give the ids of the rules that are decided for a camera's change of status."""
        return set(self.get_queryset().filter(change_id=change_id).values_list("rule_id", flat=True))

    def adopt(self, *, into: int) -> None:
        """Move the decisions of events that were merged into this one to it, where it has none of its own.

        Of several for one rule the fired one goes first. What cannot move stays with its event.
        """
        gone = self.get_queryset().filter(event__merged_into=into)
        fired_first = Case(When(outcome=Decision.FIRED, then=0), default=1)
        best = list(
            gone.order_by("rule_id", fired_first, "decided_at", "pk").distinct("rule_id").values_list("pk", "rule_id")
        )
        own = self.get_queryset().filter(event_id=into, rule_id__in=[rule_id for _, rule_id in best])
        taken = set(own.values_list("rule_id", flat=True))
        self.get_queryset().filter(pk__in=[pk for pk, rule_id in best if rule_id not in taken]).update(event_id=into)


class EvaluationQuerySet(RepositoryQuerySet["Evaluation"]):
    """Reads that chain."""


_EvaluationRepository = Repository.from_queryset(EvaluationQuerySet)


class EvaluationRepository(_EvaluationRepository["Evaluation"]):
    """What an evaluation begins with, and what it leaves behind."""

    def claim_waiting(self, event_id: int, *, most: int, lease: timedelta) -> tuple[uuid.UUID, list[int]]:
        """Take up to `most` events that wait for the rules, this one among them where it does; by ascending id.

        A claim counts an attempt, so only such are taken along as were never attempted, and none with one that was:
        what kills its worker takes others with it once and not each time.
        """
        token = uuid.uuid4()
        values: dict[str, Any] = {
            "id": event_id,
            "others": most - 1,
            "token": token,
            "lease": lease,
            "swept": lease - RESWEEP_AFTER,
        }
        return token, sorted(row[0] for row in fetch_prepared(_CLAIM_WAITING, values, using=self.db))

    def next_waiting(self) -> int | None:
        """Give the id of the event that waits longest for the rules, None where none does."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT id FROM events_event WHERE due_at <= statement_timestamp() ORDER BY due_at LIMIT 1")
            row = cursor.fetchone()
            return None if row is None else row[0]

    def look(self, event_ids: Sequence[int], *, token: uuid.UUID) -> Standing:
        """Lock claimed events for the caller's transaction, and give all that judging them takes.

        Those are left out whose claim is lost and, of several, those that somebody else holds just now. Whatever
        makes an event grow or score otherwise takes the claim away, so what is given is what the locked row stands
        for, though the statement read it before it got the lock.
        """
        statement = _LOOK.format(waiting="SKIP LOCKED" if len(event_ids) > 1 else "")
        values: dict[str, Any] = {"ids": list(event_ids), "token": token, "trigger": RuleTrigger.EVENT.value}
        [(now, mode, rules, events)] = fetch_prepared(statement, values, using=self.db)
        return Standing(now, mode, rules, tuple(map(_look_of, events)))

    def standing(self, *, trigger: str) -> Standing:
        """Give how things stand for rules of this trigger."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(f"SELECT {_STANDING}", {"trigger": trigger})  # noqa: S608 - of constants
            return Standing(*cursor.fetchone())

    def close(
        self,
        event_ids: Sequence[int],
        *,
        token: uuid.UUID,
        decisions: Sequence[DecisionRow] = (),
        reasons: Mapping[int, Mapping[int, str]],
    ) -> set[tuple[int | None, int | None, int]]:
        """End the evaluation of claimed events: they wait no more; gives the keys of the decisions that were written.

        `reasons`: why rules do not hold (yet), by event and rule, of the events where that is news.
        """
        values: dict[str, Any] = {"ids": list(event_ids), "token": token}
        with connections[self.db].cursor() as cursor:
            if not decisions and not reasons:
                cursor.execute(_FINISH, values)
                return set()
        values |= _columns_of(decisions)
        values |= {"noted": list(reasons), "whys": [json.dumps(one) for one in reasons.values()]}
        return set(fetch_prepared(_CLOSE, values, using=self.db))

    def note(self, reasons: Mapping[int, str], *, event_id: int | None = None, change_id: int | None = None) -> None:
        """Store why rules do not hold (yet) for an event or a camera's change of status."""
        values = {"event": event_id, "change": change_id, "reasons": json.dumps(reasons)}
        with connections[self.db].cursor() as cursor:
            cursor.execute(_NOTE.format(cause="change_id" if event_id is None else "event_id"), values)

    def of_event(self, event_id: int) -> "Evaluation | None":
        """Give what the newest evaluation of an event left behind."""
        return self.get_queryset().filter(event_id=event_id).first()

    def of_change(self, change_id: int) -> "Evaluation | None":
        """Give what the evaluation of a camera's change of status left behind."""
        return self.get_queryset().filter(change_id=change_id).first()

    def drop_merged(self, *, into: int) -> None:
        """Forget why rules did not hold for events that were merged into this one."""
        self.get_queryset().filter(event__merged_into=into).delete()


def _columns_of(decisions: Sequence[DecisionRow]) -> dict[str, Any]:
    return {
        "events": [decision.event_id for decision in decisions],
        "changes": [decision.change_id for decision in decisions],
        "rules": [decision.rule_id for decision in decisions],
        "outcomes": [decision.outcome.value for decision in decisions],
        "reasons": [decision.reason for decision in decisions],
        "alerts": [decision.alert_id for decision in decisions],
    }


def _look_of(found: dict[str, Any]) -> Look:
    detections = [
        (*rest, datetime.fromisoformat(detected_at), datetime.fromisoformat(arrived_at))
        for *rest, detected_at, arrived_at in found["detections"]
    ]
    return Look(
        **{
            **found,
            "ended_at": datetime.fromisoformat(found["ended_at"]),
            "decided": frozenset(found["decided"]),
            "detections": detections,
            "zones": {int(zone_id): name for zone_id, name in found["zones"].items()},
            "reasons": {int(rule_id): reason for rule_id, reason in found["reasons"].items()},
        }
    )
