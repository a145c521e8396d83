"""Tells further channels while nobody acknowledges or dismisses an alert, each step exactly once.

The next step's time is in the database. A step is taken in one transaction: whoever holds the claim locks the
alert, looks whether it is still open, writes the deliveries and lets the next step wait.

What keeps alerts back keeps steps back too: a snoozed one waits for the snooze's end, silences and quiet hours leave
skipped deliveries with the reason.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import ESCALATE_LEASE, ESCALATE_MAX_ATTEMPTS, ESCALATE_RETRY_BASE, UNACKNOWLEDGED, Severity
from alerts.models import Alert, AlertRule, Delivery, Escalation, EscalationStep, Mode
from alerts.results import EscalationResult
from alerts.rules import DetectionFacts, EventFacts, judge
from alerts.services.facts import facts_of_detections
from alerts.services.outbox import write_deliveries
from alerts.services.ready_rules import make_ready
from alerts.services.suppression import load_suppressions
from alerts.silencing import Subject
from events.models import Detection
from siteadmin.core.clean import describe_error
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)


def escalate_alert(escalation_id: int) -> EscalationResult:
    """Take the step that is due; a result without an alert where it is not due, taken or over."""
    token = Escalation.objects.claim(escalation_id, lease=ESCALATE_LEASE)
    if token is None:
        return EscalationResult(None)
    try:
        with transaction.atomic():
            return _take_step(escalation_id, token=token)
    except DatabaseError as error:
        # Somebody deleted a channel or the alert meanwhile, say; tried anew it comes out right.
        return _try_again(escalation_id, token=token, error=describe_error(error))


def _take_step(escalation_id: int, *, token: uuid.UUID) -> EscalationResult:
    escalation = Escalation.objects.get_claimed(escalation_id, token=token)
    alert = None if escalation is None else _lock_alert(escalation.alert_id)
    if escalation is None or alert is None:
        return EscalationResult(None)
    # Alerts of a deleted camera are hidden: nobody could answer.
    is_open = alert.status in UNACKNOWLEDGED and alert.camera.deleted_at is None
    rule = alert.rule if is_open else None
    steps = (
        [] if rule is None else list(EscalationStep.objects.of_rules([rule.pk]).at_or_after(escalation.position)[:2])
    )
    if rule is None or not steps:
        Escalation.objects.finish(escalation_id, token=token, attempts=0)
        return EscalationResult(alert.pk, stopped=alert.status not in UNACKNOWLEDGED)
    told = Delivery.objects.channels_told(alert.pk)
    channels = [channel for channel in steps[0].channels.order_by("pk") if channel.pk not in told]
    now, _ = Mode.objects.clock_and_active()
    suppressions = load_suppressions(
        since=now, dedup_keys=[alert.dedup_key], channel_ids=[channel.pk for channel in channels]
    )
    subject = _subject_of(alert, rule=rule)
    snoozed = suppressions.snooze_of(subject, at=now)
    if snoozed is not None:
        # Somebody asked for peace until then, and not for silence for good: the step is taken afterwards.
        Escalation.objects.postpone(
            escalation_id, token=token, wait=snoozed.ends - now, attempts=0, reason=snoozed.describe()
        )
        return EscalationResult(alert.pk, held=snoozed.describe())
    silenced = suppressions.silence_reason(subject, at=now)
    write_deliveries(
        [(alert, channel) for channel in channels],
        demo=alert.camera.demo,
        step=steps[0].position,
        quiet=lambda _, channel: silenced or suppressions.quiet_reason(channel.pk, severity=subject.severity, at=now),
    )
    result = EscalationResult(alert.pk, step=steps[0].position)
    if len(steps) > 1:
        wait = timedelta(seconds=steps[1].wait_seconds)
        Escalation.objects.postpone(
            escalation_id, token=token, wait=wait, position=steps[1].position, attempts=0, reason=""
        )
    else:
        Escalation.objects.finish(escalation_id, token=token, position=steps[0].position + 1, attempts=0, reason="")
    logger.info("escalated", alert=alert.pk, step=steps[0].position, channels=len(channels))
    return result


def _lock_alert(alert_id: int) -> Alert | None:
    """Lock the deliveries of its event, then the alert, as those do who deliver or dismiss it."""
    alert = Alert.objects.get_by_id(alert_id)
    if alert is not None and alert.event_id is not None:
        Delivery.objects.first_of_events([alert.event_id])
    return Alert.objects.get_locked(alert_id)


def _subject_of(alert: Alert, *, rule: AlertRule) -> Subject:
    """Give what a silence is asked about: the detections by which the rule holds now, or all where it does no more."""
    detections: tuple[DetectionFacts, ...] = ()
    if alert.event is not None:
        rows = Detection.objects.facts_of([alert.event.pk])
        detections = facts_of_detections(tuple(row)[1:] for row in rows)
        conditions = make_ready(rule).conditions
        if conditions is not None:
            facts = EventFacts(alert.camera_id, alert.event.risk_score, alert.event.ended_at, detections)
            detections = judge(replace(conditions, modes=frozenset()), facts).detections or detections
    return Subject(alert.camera_id, rule.pk, Severity(alert.severity), alert.dedup_key, detections=detections)


def _try_again(escalation_id: int, *, token: uuid.UUID, error: str) -> EscalationResult:
    logger.warning("escalation_failed", escalation=escalation_id, error=error)
    with transaction.atomic():
        escalation = Escalation.objects.get_claimed(escalation_id, token=token)
        if escalation is None:
            return EscalationResult(None)
        if escalation.attempts < ESCALATE_MAX_ATTEMPTS:
            wait = backoff(escalation.attempts, base=ESCALATE_RETRY_BASE)
            Escalation.objects.postpone(escalation_id, token=token, wait=wait)
        else:
            Escalation.objects.finish(escalation_id, token=token, attempts=0)
            payload = {"alert": escalation.alert_id, "step": escalation.position}
            bury(Step.ESCALATE, escalation_id, error=error, attempts=escalation.attempts, payload=payload)
        return EscalationResult(escalation.alert_id, error=error)
