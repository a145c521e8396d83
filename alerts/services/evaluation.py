"""Judges the rules for one event: each is decided once, and what fires is written with its deliveries at once.

1. Claim the event.
2. Lock it, and read by the same statement all that is known of it and which rules are not decided yet; take over what
   was decided for events that were merged into it.
3. Judge these rules, and settle those that hold (`judging.py`).
4. Store why the others do not hold yet, where that is news, and give the claim back.

All but the claim is one transaction.
"""

import uuid

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import EVALUATE_MAX_ATTEMPTS, EVALUATE_RETRY_BASE, RuleTrigger
from alerts.evaluation_repositories import Look
from alerts.models import Alert, Evaluation, RuleDecision
from alerts.results import EvaluationResult
from alerts.rules import EventFacts
from alerts.services.facts import facts_of_detections
from alerts.services.judging import Cause, judge_rules, result_of, settle
from alerts.services.ready_rules import ready_rules
from events.choices import EVALUATE_LEASE
from events.models import Event
from siteadmin.core.clean import describe_error
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)


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
    look = Evaluation.objects.look(event_id, token=token)
    if look is None:
        return EvaluationResult(event_id)
    if look.attempts > EVALUATE_MAX_ATTEMPTS:
        # Attempts are counted at the claim: every worker that tried died of it.
        return _give_up(
            event_id, camera_id=look.camera_id, token=token, error="Every worker that judged its rules failed"
        )
    if look.is_visible and look.has_merged:
        _adopt_merged(event_id)
        look = Evaluation.objects.look(event_id, token=token)
        assert look is not None  # its row is ours
    result = _judge(event_id, look) if look.is_visible else EvaluationResult(event_id)
    Event.objects.finish(event_id, token=token, attempts=0)
    return result


def _adopt_merged(event_id: int) -> None:
    """Take over alerts and decisions of events that were merged into this one."""
    Alert.objects.adopt(into=event_id)
    RuleDecision.objects.adopt(into=event_id)
    Evaluation.objects.drop_merged(into=event_id)


def _judge(event_id: int, look: Look) -> EvaluationResult:
    facts = EventFacts(
        camera_id=look.camera_id,
        risk_score=look.risk_score,
        ended_at=look.ended_at,
        detections=facts_of_detections(look.detections),
        mode=look.mode,
    )
    judgement = judge_rules(ready_rules(look.rules, trigger=RuleTrigger.EVENT), facts)
    settle(judgement.candidates, Cause(look.camera_id, look.demo, event_id=event_id), at=look.now)
    if judgement.reasons != look.reasons:
        Evaluation.objects.note(judgement.reasons, event_id=event_id)
    return result_of(judgement, event_id=event_id)


def _try_again(event_id: int, *, token: uuid.UUID, error: str) -> EvaluationResult:
    logger.warning("evaluation_failed", event_id=event_id, error=error)
    with transaction.atomic():
        event = Event.objects.hold(event_id, token=token)
        if event is None:
            return EvaluationResult(event_id, error=error)
        if event.attempts >= EVALUATE_MAX_ATTEMPTS:
            return _give_up(event_id, camera_id=event.camera_id, token=token, error=error)
        wait = backoff(event.attempts, base=EVALUATE_RETRY_BASE)
        Event.objects.postpone(event_id, token=token, wait=wait)
    return EvaluationResult(event_id, error=error)


def _give_up(event_id: int, *, camera_id: str, token: uuid.UUID, error: str) -> EvaluationResult:
    """Keep a dead letter; the event stays to be seen, and is judged again when it changes or on request."""
    Event.objects.finish(event_id, token=token, attempts=0)
    bury(Step.EVALUATE, event_id, error=error, attempts=EVALUATE_MAX_ATTEMPTS, payload={"camera": camera_id})
    return EvaluationResult(event_id, error=error)
