"""Judges the rules for a camera that fell silent or came back; told of exactly once, by the change's row.

Claimed, locked and given back as an event is, alerts and deliveries in the same transaction. Conditions about what is
seen cannot be set on such a rule; the schedule is judged at the time of the change.
"""

import uuid

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import EVALUATE_MAX_ATTEMPTS, EVALUATE_RETRY_BASE
from alerts.models import Evaluation, RuleDecision
from alerts.results import EvaluationResult
from alerts.services.facts import CAMERA_TRIGGERS, facts_of_change
from alerts.services.judging import Cause, check_decided, judge_rules, result_of, settle
from alerts.services.ready_rules import ready_rules
from cameras.choices import CameraStatus
from cameras.models import CameraStatusChange
from events.choices import EVALUATE_LEASE
from siteadmin.core.clean import describe_error
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)


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
    trigger = CAMERA_TRIGGERS[CameraStatus(change.status)]
    standing = Evaluation.objects.standing(trigger=trigger)
    decided = RuleDecision.objects.decided_of_change(change.pk)
    rules = [rule for rule in ready_rules(standing.rules, trigger=trigger) if rule.id not in decided]
    cause = Cause(change.camera_id, change.camera.demo, change_id=change.pk)
    judgement = judge_rules(rules, facts_of_change(change, mode=standing.mode), cause)
    decisions = settle(judgement.candidates, at=standing.now)
    if decisions:
        check_decided(decisions, RuleDecision.objects.decide(decisions))
    if judgement.reasons:
        Evaluation.objects.note(judgement.reasons, change_id=change.pk)
    return result_of(judgement)


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
