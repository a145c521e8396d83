"""Judges the rules for one event: each is decided once, and what fires is written with its deliveries at once.

1. Claim the event, lock it, and take over what was decided for events that were merged into it.
2. Judge every enabled rule that is not decided yet.
3. Those that hold are suppressed, or take their dedup key, or are duplicates.
4. Write alerts, decisions and deliveries, and give the claim back: all in one transaction.

Rows are locked in one order by everybody (event, keys, then the rest), so no two evaluations wait in a circle.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import (
    EVALUATE_MAX_ATTEMPTS,
    EVALUATE_RETRY_BASE,
    AlertStatus,
    Decision,
    Severity,
)
from alerts.dedup_keys import render_key
from alerts.models import Alert, AlertRule, Channel, RuleDecision
from alerts.results import EvaluationResult, SkippedRule, TriggeredRule
from alerts.rule_repositories import DecisionRow
from alerts.rules import Verdict, judge
from alerts.schedules import ScheduleError
from alerts.services.dedup import KeyClaim, claim_keys
from alerts.services.facts import facts_of_event, facts_of_rule, key_parts
from alerts.services.outbox import Cause, tell_of_alerts
from alerts.services.suppression import load_suppressions
from alerts.silencing import Subject, Suppressions
from events.choices import EVALUATE_LEASE
from events.models import Event
from siteadmin.core.clean import describe_error
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Candidate:
    """A rule that holds, on its way to an alert or to a reason why there is none."""

    rule: AlertRule
    verdict: Verdict
    dedup_key: str
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
    """What step 2 found: rules that hold, and why the others do not (yet)."""

    candidates: list[Candidate] = field(default_factory=list)
    not_yet: list[SkippedRule] = field(default_factory=list)
    news: list[DecisionRow] = field(default_factory=list)
    """Those reasons of `not_yet` that are not stored so already."""


def evaluate_event(event_id: int) -> EvaluationResult:
    """Judge the rules for an event that waits for it; a result without rules where it waits no more.

    Safe to run any number of times at once: one run claims the event, each decision is made once, and a run that
    lost its claim leaves nothing behind.
    """
    token = Event.objects.claim(event_id, lease=EVALUATE_LEASE)
    if token is None:
        return EvaluationResult(event_id)
    try:
        with transaction.atomic():
            return _evaluate(event_id, token=token)
    except (DatabaseError, ConflictError) as error:
        # Somebody deleted a rule or a channel meanwhile, say; judged anew it comes out right.
        return _try_again(event_id, token=token, error=describe_error(error))


def revive_event(event_id: int) -> bool:
    """Make an event whose evaluation failed for good wait for the rules again; False where it is gone."""
    return Event.objects.wait_again(event_id)


def _evaluate(event_id: int, *, token: uuid.UUID) -> EvaluationResult:
    event = Event.objects.hold(event_id, token=token)
    if event is None:
        return EvaluationResult(event_id)
    if event.attempts > EVALUATE_MAX_ATTEMPTS:
        # Attempts are counted at the claim: every worker that tried died of it.
        return _give_up(event, token=token, error="Every worker that judged its rules failed")
    result = EvaluationResult(event_id)
    if event.deleted_at is None and event.merged_into_id is None and event.camera.deleted_at is None:
        result = _decide(event)
    Event.objects.finish(event_id, token=token, attempts=0)
    return result


def _decide(event: Event) -> EvaluationResult:
    if event.has_merged:  # type: ignore[attr-defined]  # annotated by `hold`
        Alert.objects.adopt(into=event.pk)
        RuleDecision.objects.adopt(into=event.pk)
    rules = list(AlertRule.objects.undecided_for(event.pk))
    if not rules:
        return EvaluationResult(event.pk)
    first: Any = rules[0]  # clock and mode are annotated by `undecided_for`
    judgement = _judge_all(rules, event, mode=first.active_mode or "")
    candidates = judgement.candidates
    channels = AlertRule.objects.channels_of([one.rule.pk for one in candidates]) if candidates else {}
    suppressions = suppress(candidates, event, channels, at=first.now)
    settle_keys(candidates, event)
    Alert.objects.create_many(candidate.alert for candidate in candidates if candidate.alert is not None)
    decisions = [DecisionRow(one.rule.pk, one.outcome, one.reason, one.alert_id) for one in candidates]
    written = RuleDecision.objects.decide(event.pk, sorted(judgement.news + decisions, key=lambda row: row.rule_id))
    if any(one.rule.pk not in written for one in candidates):
        raise ConflictError("Somebody else decided a rule for this event")
    fired = [one for one in candidates if one.outcome is Decision.FIRED]
    tell_of_alerts(
        [one.alert for one in fired if one.alert is not None],
        event=event,
        channels=channels,
        quiet=lambda alert, channel: suppressions.quiet_reason(
            channel.pk, severity=Severity(alert.severity), at=first.now
        ),
    )
    duplicates = (one.alert_id for one in candidates if one.outcome is Decision.DUPLICATE)
    Alert.objects.count_duplicates(Counter(alert_id for alert_id in duplicates if alert_id is not None))
    return result_of(event.pk, candidates, judgement.not_yet)


def _judge_all(rules: Iterable[AlertRule], event: Event, *, mode: str) -> Judgement:
    judgement = Judgement()
    facts = facts_of_event(event, mode=mode)
    for rule in rules:
        try:
            conditions = facts_of_rule(rule)
        except ScheduleError as error:  # a zone that this machine knows no more, say
            verdict = Verdict(holds=False, reasons_not=(f"the schedule cannot be used: {error}",))
        else:
            verdict = judge(conditions, facts)
            if verdict.holds:
                key = render_key(rule.dedup_key_template, key_parts(str(rule.pk), conditions, facts, verdict))
                judgement.candidates.append(Candidate(rule, verdict, key))
                continue
        reason = sentence(verdict.reasons_not)
        judgement.not_yet.append(SkippedRule(rule.pk, Decision.NOT_YET.value, reason))
        if reason != rule.known_reason:  # type: ignore[attr-defined]  # annotated by `undecided_for`
            judgement.news.append(DecisionRow(rule.pk, Decision.NOT_YET, reason))
    return judgement


def suppress(
    candidates: Sequence[Candidate], event: Cause, channels: Mapping[int, Sequence[Channel]], *, at: datetime
) -> Suppressions:
    """Say of each candidate why nobody is told of it, if so."""
    if not candidates:
        return Suppressions()
    suppressions = load_suppressions(
        since=at,
        dedup_keys={one.dedup_key for one in candidates},
        channel_ids={channel.pk for several in channels.values() for channel in several},
    )
    for one in candidates:
        subject = Subject(
            event.camera_id,
            one.rule.pk,
            Severity(one.rule.severity),
            one.dedup_key,
            detections=one.verdict.detections,
            channel_ids=[channel.pk for channel in channels.get(one.rule.pk, ())],
        )
        one.suppressed = suppressions.reason(subject, at=at)
    return suppressions


def settle_keys(candidates: Iterable[Candidate], event: Cause) -> None:
    """Give each candidate its alert, or the one that it is a duplicate of."""
    wanting = []
    for candidate in candidates:
        if candidate.suppressed:
            candidate.alert = _make_alert(candidate, event)
            candidate.alert.status = AlertStatus.SUPPRESSED
            candidate.alert.suppression_reason = candidate.suppressed
        else:
            wanting.append(candidate)
    claims = [
        KeyClaim(one.dedup_key, timedelta(seconds=one.rule.cooldown_seconds), Severity(one.rule.severity))
        for one in wanting
    ]
    for candidate, outcome in zip(wanting, claim_keys(claims), strict=True):
        if outcome.fired_at is not None:
            candidate.alert = _make_alert(candidate, event)
            candidate.alert.created_at = outcome.fired_at
        else:
            candidate.duplicate_of = outcome.existing_alert_id if outcome.twin is None else wanting[outcome.twin]


def _make_alert(candidate: Candidate, event: Cause) -> Alert:
    return Alert(
        event=event if isinstance(event, Event) else None,
        trigger=candidate.rule.trigger,
        rule=candidate.rule,
        rule_name=candidate.rule.name,
        camera_id=event.camera_id,
        severity=candidate.rule.severity,
        dedup_key=candidate.dedup_key,
        matched_conditions=list(candidate.verdict.matched_conditions),
    )


def result_of(
    event_id: int | None, candidates: Sequence[Candidate], not_yet: Sequence[SkippedRule]
) -> EvaluationResult:
    """Tell what became of the rules."""
    triggered, skipped = [], list(not_yet)
    for one in candidates:
        if one.outcome is Decision.FIRED and one.alert is not None:
            triggered.append(
                TriggeredRule(
                    one.rule.pk, one.rule.severity, one.alert.pk, one.dedup_key, one.verdict.matched_conditions
                )
            )
        else:
            skipped.append(SkippedRule(one.rule.pk, one.outcome.value, one.reason, one.alert_id))
    highest = max((Severity(one.severity) for one in triggered), key=lambda severity: severity.rank, default=None)
    return EvaluationResult(
        event_id,
        triggered_rules=tuple(triggered),
        skipped_rules=tuple(sorted(skipped, key=lambda skip: skip.rule_id)),
        highest_severity=None if highest is None else highest.value,
    )


def _try_again(event_id: int, *, token: uuid.UUID, error: str) -> EvaluationResult:
    logger.warning("evaluation_failed", event_id=event_id, error=error)
    with transaction.atomic():
        event = Event.objects.hold(event_id, token=token)
        if event is None:
            return EvaluationResult(event_id, error=error)
        if event.attempts >= EVALUATE_MAX_ATTEMPTS:
            return _give_up(event, token=token, error=error)
        wait = backoff(event.attempts, base=EVALUATE_RETRY_BASE)
        Event.objects.postpone(event_id, token=token, wait=wait)
    return EvaluationResult(event_id, error=error)


def _give_up(event: Event, *, token: uuid.UUID, error: str) -> EvaluationResult:
    """Keep a dead letter; the event stays to be seen, and is judged again when it changes or on request."""
    Event.objects.finish(event.pk, token=token, attempts=0)
    attempts = min(event.attempts, EVALUATE_MAX_ATTEMPTS)
    bury(Step.EVALUATE, event.pk, error=error, attempts=attempts, payload={"camera": event.camera_id})
    return EvaluationResult(event.pk, error=error)


def sentence(parts: Sequence[str]) -> str:
    """Make one text of several, with a capital."""
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]
