"""What judging the rules reads and writes, each by one statement."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Case, When

from alerts.choices import Decision, RuleTrigger
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import Evaluation, RuleDecision

_STANDING = """
    clock_timestamp() AS now,
    coalesce((SELECT name FROM alerts_mode WHERE is_active), '') AS mode,
    ARRAY(SELECT rule.id || ' ' || rule.xmin || ' ' || rule.ctid FROM alerts_alertrule rule
          WHERE rule.enabled AND rule.trigger = %(trigger)s
            AND NOT EXISTS (SELECT FROM alerts_ruledecision decision
                            WHERE decision.rule_id = rule.id AND decision.{cause} = %(cause)s)
          ORDER BY rule.id) AS rules
"""
_LOOK = f"""
SELECT {_STANDING.format(cause="event_id")},
    event.camera_id, camera.demo, event.risk_score, event.ended_at, event.attempts,
    event.deleted_at IS NULL AND event.merged_into_id IS NULL AND camera.deleted_at IS NULL AS is_visible,
    EXISTS (SELECT FROM events_event gone WHERE gone.merged_into_id = event.id) AS has_merged,
    coalesce((SELECT json_agg(json_build_array(d.id, d.object_type, d.confidence, d.zones, d.detected_at, d.created_at)
                              ORDER BY d.detected_at, d.id)
              FROM events_detection d WHERE d.event_id = event.id), '[]') AS detections,
    coalesce((SELECT known.reasons::json FROM alerts_evaluation known WHERE known.event_id = event.id),
             '{{}}') AS reasons
FROM events_event event JOIN cameras_camera camera ON camera.id = event.camera_id
WHERE event.id = %(cause)s AND event.claim_token = %(token)s
FOR NO KEY UPDATE OF event
"""  # noqa: S608 - of constants
_NOTE = """
INSERT INTO alerts_evaluation AS held (event_id, change_id, reasons, changed_at)
VALUES (%(event)s, %(change)s, %(reasons)s, clock_timestamp())
ON CONFLICT ({cause}) DO UPDATE SET reasons = excluded.reasons, changed_at = excluded.changed_at
"""


@dataclass(slots=True, frozen=True)
class Standing:
    """How things stand for whoever judges rules now."""

    now: datetime
    """By the database's clock."""
    mode: str
    """The active one, "" where none is."""
    rules: Sequence[str]
    """Versions of the rules to be judged, which `AlertRuleRepository.get_versions` reads."""


@dataclass(slots=True, frozen=True)
class Look(Standing):
    """The same for a claimed event, and all that is known of it."""

    camera_id: str
    demo: bool
    risk_score: int | None
    ended_at: datetime
    attempts: int
    is_visible: bool
    """Whether neither it nor its camera was deleted or merged into another."""
    has_merged: bool
    """Whether other events were merged into it."""
    detections: Sequence[tuple[int, str, float, Sequence[int], datetime, datetime]]
    """Id, type, confidence, zones, time and arrival of each."""
    reasons: Mapping[int, str]
    """What is stored of why rules do not hold yet, by rule's id."""


@dataclass(slots=True, frozen=True)
class DecisionRow:
    """One decision to be written."""

    rule_id: int
    outcome: Decision
    reason: str
    alert_id: int | None


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

    def decide(
        self, decisions: Sequence[DecisionRow], *, event_id: int | None = None, change_id: int | None = None
    ) -> set[int]:
        """Write these decisions and give the ids of the rules whose decision was written: the constraint decides."""
        values: dict[str, Any] = {
            "event": event_id,
            "change": change_id,
            "rules": [decision.rule_id for decision in decisions],
            "outcomes": [decision.outcome.value for decision in decisions],
            "reasons": [decision.reason for decision in decisions],
            "alerts": [decision.alert_id for decision in decisions],
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO alerts_ruledecision (event_id, change_id, rule_id, outcome, reason, alert_id, decided_at)
                SELECT %(event)s, %(change)s, rule, outcome, reason, alert, clock_timestamp()
                FROM unnest(%(rules)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(alerts)s::bigint[])
                    AS new(rule, outcome, reason, alert)
                ORDER BY rule
                ON CONFLICT DO NOTHING
                RETURNING rule_id
                """,
                values,
            )
            return {row[0] for row in cursor.fetchall()}

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

    def look(self, event_id: int, *, token: uuid.UUID) -> Look | None:
        """Lock a claimed event for the caller's transaction and give all that judging it takes.

        None where the claim is lost. Whatever makes an event grow or score otherwise takes the claim away, so what is
        given is what the locked row stands for, though the statement read it before it got the lock.
        """
        values: dict[str, Any] = {"cause": event_id, "token": token, "trigger": RuleTrigger.EVENT.value}
        with connections[self.db].cursor() as cursor:
            cursor.execute(_LOOK, values)
            row = cursor.fetchone()
            if row is None:
                return None
            found: dict[str, Any] = dict(zip((column.name for column in cursor.description or ()), row, strict=True))
        seen = (tuple(one) for one in found.pop("detections"))
        detections = [
            (*rest, datetime.fromisoformat(detected_at), datetime.fromisoformat(arrived_at))
            for *rest, detected_at, arrived_at in seen
        ]
        reasons = {int(rule_id): reason for rule_id, reason in found.pop("reasons").items()}
        return Look(**found, detections=detections, reasons=reasons)

    def standing_of_change(self, change_id: int, *, trigger: str) -> Standing:
        """Give what judging a camera's change of status takes."""
        with connections[self.db].cursor() as cursor:
            statement = f"SELECT {_STANDING.format(cause='change_id')}"  # noqa: S608 - of constants
            cursor.execute(statement, {"cause": change_id, "trigger": trigger})
            return Standing(*cursor.fetchone())

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
