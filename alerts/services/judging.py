"""What is the same for whatever rules are judged for: events, several at once, or a camera's change of status.

1. Judge every rule.
2. Those that hold are suppressed, or take their dedup key, or are duplicates.
3. Write alerts and deliveries, in the caller's transaction; the decisions are the caller's to write.

Each of these takes the same few statements, however many rules hold.

Rows are locked in one order by everybody (the cause, keys, then the rest), so no two evaluations wait in a circle.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alerts.choices import AlertStatus, Decision, Severity
from alerts.dedup_keys import render_key
from alerts.evaluation_repositories import DecisionRow
from alerts.models import Alert, AlertRule, Channel
from alerts.results import EvaluationResult, SkippedRule, TriggeredRule
from alerts.rules import EventFacts, RuleFacts, Verdict, judge
from alerts.services.dedup import KeyClaim, claim_keys
from alerts.services.outbox import write_deliveries
from alerts.services.ready_rules import ReadyRule
from alerts.services.suppression import load_suppressions
from alerts.silencing import Subject, Suppressions
from siteadmin.core.exceptions import ConflictError

NEW_RULE = "new"
"""Stands in a key for the id of a rule that is not saved."""


@dataclass(slots=True, frozen=True)
class Cause:
    """What rules are judged for: an event, or a camera's change of status."""

    camera_id: str
    demo: bool
    event_id: int | None = None
    change_id: int | None = None


@dataclass(slots=True)
class Candidate:
    """A rule that holds, on its way to an alert or to a reason why there is none."""

    rule: ReadyRule
    verdict: Verdict
    dedup_key: str
    cause: Cause
    suppressed: str = ""
    alert: Alert | None = None
    """Its own alert; made, but stored with all others at once."""
    duplicate_of: "int | Candidate | None" = None

    @property
    def outcome(self) -> Decision:
        """What is decided."""
        if self.suppressed:
            return Decision.SUPPRESSED
        return Decision.DUPLICATE if self.alert is None else Decision.FIRED

    @property
    def alert_id(self) -> int | None:
        """The alert that it made or, for a duplicate, the first one."""
        if self.alert is not None:
            return self.alert.pk
        return self.duplicate_of.alert_id if isinstance(self.duplicate_of, Candidate) else self.duplicate_of

    @property
    def reason(self) -> str:
        """Why, in plain words."""
        if self.suppressed:
            return self.suppressed
        if self.alert is not None:
            return sentence(self.verdict.matched_conditions)
        first = "an alert that is deleted" if self.alert_id is None else f"alert {self.alert_id}"
        return f"Within the cooldown of {first}"


@dataclass(slots=True)
class Judgement:
    """Rules that hold, and why the others do not (yet)."""

    candidates: list[Candidate] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    """By rule's id."""


def judge_rules(rules: Iterable[ReadyRule], facts: EventFacts, cause: Cause) -> Judgement:
    """Judge saved rules for one event or change."""
    judgement = Judgement()
    for rule in rules:
        assert rule.id is not None
        if rule.conditions is None:
            judgement.reasons[rule.id] = sentence([rule.fault])
            continue
        verdict = judge(rule.conditions, facts)
        if not verdict.holds:
            judgement.reasons[rule.id] = sentence(verdict.reasons_not)
            continue
        judgement.candidates.append(Candidate(rule, verdict, key_of(rule, facts, verdict), cause))
    return judgement


def settle(candidates: Sequence[Candidate], *, at: datetime, without_alerts: Collection[int] = ()) -> list[DecisionRow]:
    """Decide what becomes of rules that hold, whatever they hold for, and write alerts and deliveries.

    Gives the decisions, which the caller writes in the same transaction. `without_alerts`: events that have none yet.
    """
    if not candidates:
        return []
    channels = AlertRule.objects.channels_of(sorted({one.rule.id for one in candidates if one.rule.id is not None}))
    suppressions = _suppress(candidates, channels, at=at)
    _settle_keys(candidates)
    Alert.objects.create_decided([one.alert for one in candidates if one.alert is not None])
    fired = [one for one in candidates if one.outcome is Decision.FIRED]
    for demo in sorted({one.cause.demo for one in fired}):
        pairs = [
            (one.alert, channel)
            for one in fired
            for channel in channels.get(one.rule.id or 0, ())
            if one.alert is not None and one.cause.demo == demo
        ]
        write_deliveries(
            pairs,
            demo=demo,
            quiet=lambda alert, channel: suppressions.quiet_reason(
                channel.pk, severity=Severity(alert.severity), at=at
            ),
            untold=without_alerts,
        )
    duplicates = (one.alert_id for one in candidates if one.outcome is Decision.DUPLICATE)
    Alert.objects.count_duplicates(Counter(alert_id for alert_id in duplicates if alert_id is not None))
    return [_decision_of(one) for one in candidates]


def check_decided(decisions: Sequence[DecisionRow], written: Collection[object]) -> None:
    """Raise ConflictError where one of these decisions was not written, since somebody else decided meanwhile."""
    if any(row.key not in written for row in decisions):
        raise ConflictError("Somebody else decided a rule for this")


def result_of(judgement: Judgement, *, event_id: int | None = None) -> EvaluationResult:
    """Tell what became of the rules."""
    triggered = []
    skipped = [SkippedRule(rule_id, Decision.NOT_YET.value, reason) for rule_id, reason in judgement.reasons.items()]
    for one in judgement.candidates:
        rule_id = one.rule.id or 0
        if one.outcome is Decision.FIRED and one.alert is not None:
            met = one.verdict.matched_conditions
            triggered.append(TriggeredRule(rule_id, one.rule.severity.value, one.alert.pk, one.dedup_key, met))
        else:
            skipped.append(SkippedRule(rule_id, one.outcome.value, one.reason, one.alert_id))
    highest = max((Severity(one.severity) for one in triggered), key=lambda severity: severity.rank, default=None)
    return EvaluationResult(
        event_id,
        triggered_rules=tuple(triggered),
        skipped_rules=tuple(sorted(skipped, key=lambda skip: skip.rule_id)),
        highest_severity=None if highest is None else highest.value,
    )


def key_of(rule: ReadyRule, facts: EventFacts, verdict: Verdict) -> str:
    """Give the dedup key of a rule that holds."""
    assert rule.conditions is not None
    parts = _key_parts(NEW_RULE if rule.id is None else str(rule.id), rule.conditions, facts, verdict)
    return render_key(rule.dedup_key_template, parts)


def sentence(parts: Sequence[str]) -> str:
    """Make one text of several, with a capital."""
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _key_parts(rule_id: str, conditions: RuleFacts, facts: EventFacts, verdict: Verdict) -> dict[str, str]:
    """Give what a key's placeholders stand for; the zone is the first that the rule asks for, else the first."""
    detection = verdict.matched_detection
    zones = () if detection is None else detection.zones
    asked = [zone for zone in zones if zone in conditions.zone_ids] or zones
    return {
        "camera_id": facts.camera_id,
        "rule_id": rule_id,
        "object_type": "" if detection is None else detection.object_type,
        "zone": str(asked[0]) if asked else "",
    }


def _decision_of(one: Candidate) -> DecisionRow:
    return DecisionRow(one.cause.event_id, one.cause.change_id, one.rule.id or 0, one.outcome, one.reason, one.alert_id)


def _suppress(
    candidates: Sequence[Candidate], channels: Mapping[int, Sequence[Channel]], *, at: datetime
) -> Suppressions:
    """Say of each candidate why nobody is told of it, if so."""
    suppressions = load_suppressions(
        since=at,
        dedup_keys={one.dedup_key for one in candidates},
        channel_ids={channel.pk for several in channels.values() for channel in several},
    )
    for one in candidates:
        subject = Subject(
            one.cause.camera_id,
            one.rule.id,
            one.rule.severity,
            one.dedup_key,
            detections=one.verdict.detections,
            channel_ids=[channel.pk for channel in channels.get(one.rule.id or 0, ())],
        )
        one.suppressed = suppressions.reason(subject, at=at)
    return suppressions


def _settle_keys(candidates: Iterable[Candidate]) -> None:
    """Give each candidate its alert, or the one that it is a duplicate of."""
    wanting = []
    for candidate in candidates:
        if candidate.suppressed:
            candidate.alert = _make_alert(candidate)
            candidate.alert.status = AlertStatus.SUPPRESSED
            candidate.alert.suppression_reason = candidate.suppressed
        else:
            wanting.append(candidate)
    claims = [KeyClaim(one.dedup_key, one.rule.cooldown, one.rule.severity) for one in wanting]
    for candidate, outcome in zip(wanting, claim_keys(claims), strict=True):
        if outcome.fired_at is not None:
            candidate.alert = _make_alert(candidate)
            candidate.alert.created_at = outcome.fired_at
        else:
            candidate.duplicate_of = outcome.existing_alert_id if outcome.twin is None else wanting[outcome.twin]


def _make_alert(candidate: Candidate) -> Alert:
    return Alert(
        event_id=candidate.cause.event_id,
        trigger=candidate.rule.trigger,
        rule_id=candidate.rule.id,
        rule_name=candidate.rule.name,
        camera_id=candidate.cause.camera_id,
        severity=candidate.rule.severity,
        dedup_key=candidate.dedup_key,
        matched_conditions=list(candidate.verdict.matched_conditions),
    )
