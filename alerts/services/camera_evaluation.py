"""Judges the rules for a camera that fell silent or came back; told of exactly once, by the change's row.

Claimed, locked and given back as an event is, alerts and deliveries in the same transaction. Conditions about what is
seen cannot be set on such a rule; the schedule is judged at the time of the change.
"""

import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import EVALUATE_MAX_ATTEMPTS, EVALUATE_RETRY_BASE, Decision, RuleTrigger, Severity
from alerts.dedup_keys import render_key
from alerts.models import Alert, AlertRule
from alerts.results import EvaluationResult, SkippedRule
from alerts.rules import EventFacts, judge
from alerts.schedules import ScheduleError
from alerts.services.evaluation import Candidate, result_of, sentence, settle_keys, suppress
from alerts.services.facts import facts_of_rule, key_parts
from alerts.services.outbox import tell_of_alerts
from cameras.choices import CameraStatus
from cameras.models import CameraStatusChange
from events.choices import EVALUATE_LEASE
from siteadmin.core.clean import describe_error
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)

TRIGGERS = {
    CameraStatus.OFFLINE: (RuleTrigger.CAMERA_OFFLINE, "the camera is silent"),
    CameraStatus.ONLINE: (RuleTrigger.CAMERA_ONLINE, "the camera is back"),
}


def evaluate_change(change_id: int) -> EvaluationResult:
    """Judge the rules for a change that waits for it; a result without rules where it waits no more."""
    token = CameraStatusChange.objects.claim(change_id, lease=EVALUATE_LEASE)
    if token is None:
        return EvaluationResult()
    try:
        with transaction.atomic():
            change = CameraStatusChange.objects.hold(change_id, token=token)
            if change is None:
                return EvaluationResult()
            if change.attempts > EVALUATE_MAX_ATTEMPTS:
                return _give_up(change, token=token, error="Every worker that judged its rules failed")
            result = EvaluationResult() if change.camera.deleted_at is not None else _decide(change)
            CameraStatusChange.objects.finish(change_id, token=token, attempts=0)
            return result
    except (DatabaseError, ConflictError) as error:
        # Somebody deleted a rule or a channel meanwhile, say; judged anew it comes out right.
        return _try_again(change_id, token=token, error=describe_error(error))


def revive_change(change_id: int) -> bool:
    """Make a change whose evaluation failed for good wait for the rules again; False where it is gone."""
    return CameraStatusChange.objects.wait_again(change_id)


def _decide(change: CameraStatusChange) -> EvaluationResult:
    trigger, words = TRIGGERS[CameraStatus(change.status)]
    rules = list(AlertRule.objects.for_trigger(trigger))
    if not rules:
        return EvaluationResult()
    first: Any = rules[0]  # clock and mode are annotated by `for_trigger`
    facts = EventFacts(change.camera_id, None, change.at, mode=first.active_mode or "")
    candidates: list[Candidate] = []
    skipped: list[SkippedRule] = []
    for rule in rules:
        try:
            conditions = facts_of_rule(rule)
        except ScheduleError as error:  # a zone that this machine knows no more, say
            skipped.append(SkippedRule(rule.pk, Decision.NOT_YET.value, f"The schedule cannot be used: {error}"))
            continue
        verdict = judge(conditions, facts)
        if verdict.holds:
            key = render_key(rule.dedup_key_template, key_parts(str(rule.pk), conditions, facts, verdict))
            met = [one for one in verdict.matched_conditions if not one.startswith("always")]
            candidates.append(Candidate(rule, replace(verdict, matched_conditions=(words, *met)), key))
        else:
            skipped.append(SkippedRule(rule.pk, Decision.NOT_YET.value, sentence(verdict.reasons_not)))
    channels = AlertRule.objects.channels_of([one.rule.pk for one in candidates]) if candidates else {}
    suppressions = suppress(candidates, change, channels, at=first.now)
    settle_keys(candidates, change)
    Alert.objects.create_many(one.alert for one in candidates if one.alert is not None)
    fired = [one for one in candidates if one.outcome is Decision.FIRED]
    tell_of_alerts(
        [one.alert for one in fired if one.alert is not None],
        event=change,
        channels=channels,
        quiet=lambda alert, channel: suppressions.quiet_reason(
            channel.pk, severity=Severity(alert.severity), at=first.now
        ),
    )
    duplicates = (one.alert_id for one in candidates if one.outcome is Decision.DUPLICATE)
    Alert.objects.count_duplicates(Counter(alert_id for alert_id in duplicates if alert_id is not None))
    return result_of(None, candidates, skipped)


def _try_again(change_id: int, *, token: uuid.UUID, error: str) -> EvaluationResult:
    logger.warning("camera_evaluation_failed", change=change_id, error=error)
    with transaction.atomic():
        change = CameraStatusChange.objects.hold(change_id, token=token)
        if change is None:
            return EvaluationResult(error=error)
        if change.attempts >= EVALUATE_MAX_ATTEMPTS:
            return _give_up(change, token=token, error=error)
        wait = backoff(change.attempts, base=EVALUATE_RETRY_BASE)
        CameraStatusChange.objects.postpone(change_id, token=token, wait=wait)
    return EvaluationResult(error=error)


def _give_up(change: CameraStatusChange, *, token: uuid.UUID, error: str) -> EvaluationResult:
    """Keep a dead letter, to be judged again on request."""
    CameraStatusChange.objects.finish(change.pk, token=token, attempts=0)
    attempts = min(change.attempts, EVALUATE_MAX_ATTEMPTS)
    bury(Step.EVALUATE_CAMERA, change.pk, error=error, attempts=attempts, payload={"camera": change.camera_id})
    return EvaluationResult(error=error)
