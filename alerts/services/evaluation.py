"""Judges the rules for events: each is decided once, and what fires is written with its deliveries at once.

1. Claim the event, and others that wait too: they are judged together, by the statements that one alone would take.
2. Lock them, and read by the same statement all that is known of them and which rules are decided; take over what was
   decided for events that were merged into one of them.
3. Judge the other rules, and settle those that hold (`judging.py`).
4. Write the decisions, and why the other rules do not hold yet, where that is news, and give the claims back.

All but the claim is one transaction. Where it fails each of several is judged by itself.
"""

import uuid
from collections.abc import Sequence

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import EVALUATE_MAX_ATTEMPTS, EVALUATE_RETRY_BASE, RuleTrigger
from alerts.evaluation_repositories import Look, Standing
from alerts.models import Alert, Evaluation, RuleDecision
from alerts.results import EvaluationResult
from alerts.rules import EventFacts
from alerts.services.facts import facts_of_detections
from alerts.services.judging import Cause, Judgement, check_decided, judge_rules, result_of, settle
from alerts.services.ready_rules import ready_rules
from events.choices import EVALUATE_LEASE
from events.models import Event
from siteadmin.core import pipeline
from siteadmin.core.clean import describe_error
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)

MOST_TOGETHER = 20
"""Events of one transaction: most of what each costs alone is saved by then, and rows are locked for a short time."""
ALL_FAILED = "Every worker that judged its rules failed"


def evaluate_event(event_id: int, *, most: int = 1) -> EvaluationResult:
    """Judge the rules for an event that waits for it, and for others that wait too, up to `most` in all.

    The result is of this one, without rules where it waits no more. Safe to run any number of times at once: one run
    claims an event, each decision is made once, and a run that lost its claim leaves nothing behind.
    """
    token, claimed = Evaluation.objects.claim_waiting(event_id, most=most, lease=EVALUATE_LEASE)
    results = _evaluate_claimed(claimed, token=token)
    if len(claimed) == most > 1:
        waiting = Evaluation.objects.next_waiting()
        if waiting is not None:
            pipeline.send(Step.EVALUATE, waiting)
    return results.get(event_id, EvaluationResult(event_id))


def revive_event(event_id: int) -> bool:
    """Make an event whose evaluation failed for good wait for the rules again; False where it is gone."""
    return Event.objects.wait_again(event_id)


def _evaluate_claimed(event_ids: Sequence[int], *, token: uuid.UUID) -> dict[int, EvaluationResult]:
    """Judge claimed events together, and those that cannot be by themselves; gives what came of each."""
    results: dict[int, EvaluationResult] = {}
    if len(event_ids) > 1:
        try:
            with transaction.atomic():
                results = _evaluate(event_ids, token=token)
        except (DatabaseError, ConflictError) as error:
            logger.warning("evaluation_together_failed", event_ids=event_ids, error=describe_error(error))
    for event_id in event_ids:
        if event_id not in results:
            results[event_id] = _evaluate_alone(event_id, token=token)
    return results


def _evaluate_alone(event_id: int, *, token: uuid.UUID) -> EvaluationResult:
    try:
        with transaction.atomic():
            return _evaluate([event_id], token=token).get(event_id, EvaluationResult(event_id))
    except (DatabaseError, ConflictError) as error:
        # Somebody deleted a rule or a channel meanwhile, say; judged anew it comes out right.
        return _try_again(event_id, token=token, error=describe_error(error))


def _evaluate(event_ids: Sequence[int], *, token: uuid.UUID) -> dict[int, EvaluationResult]:
    """Judge those of the claimed events that are ours and free; gives what came of each."""
    standing = Evaluation.objects.look(event_ids, token=token)
    merged = [look.event_id for look in standing.events if look.is_visible and look.has_merged]
    if merged:
        for event_id in merged:
            _adopt_merged(event_id)
        standing = Evaluation.objects.look([look.event_id for look in standing.events], token=token)
    # Attempts are counted at the claim: every worker that tried these died of it.
    worn = {look.event_id for look in standing.events if look.attempts > EVALUATE_MAX_ATTEMPTS}
    results = {
        look.event_id: _give_up(look.event_id, camera_id=look.camera_id, token=token, error=ALL_FAILED)
        for look in standing.events
        if look.event_id in worn
    }
    events = [look for look in standing.events if look.event_id not in worn]
    judged = _judge([look for look in events if look.is_visible], standing)
    candidates = [one for judgement in judged.values() for one in judgement.candidates]
    decisions = settle(
        candidates,
        at=standing.now,
        without_alerts={look.event_id for look in events if not look.has_alerts},
    )
    known = {look.event_id: look.reasons for look in events}
    news = {key: judgement.reasons for key, judgement in judged.items() if judgement.reasons != known[key]}
    ids = [look.event_id for look in events]
    if ids:
        check_decided(decisions, Evaluation.objects.close(ids, token=token, decisions=decisions, reasons=news))
    for event_id in ids:
        judgement = judged.get(event_id, Judgement())
        results[event_id] = result_of(judgement, event_id=event_id)
    return results


def _adopt_merged(event_id: int) -> None:
    """Take over alerts and decisions of events that were merged into this one."""
    Alert.objects.adopt(into=event_id)
    RuleDecision.objects.adopt(into=event_id)
    Evaluation.objects.drop_merged(into=event_id)


def _judge(events: Sequence[Look], standing: Standing) -> dict[int, Judgement]:
    rules = ready_rules(standing.rules, trigger=RuleTrigger.EVENT) if events else []
    judged = {}
    for look in events:
        facts = EventFacts(
            camera_id=look.camera_id,
            risk_score=look.risk_score,
            ended_at=look.ended_at,
            detections=facts_of_detections(look.detections),
            zones=look.zones,
            mode=standing.mode,
        )
        undecided = (rule for rule in rules if rule.id not in look.decided)
        judged[look.event_id] = judge_rules(undecided, facts, Cause(look.camera_id, look.demo, event_id=look.event_id))
    return judged


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
