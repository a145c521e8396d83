"""Tells further channels while nobody acknowledges or dismisses an alert, each step exactly once.

The next step's time is in the database. A step is taken in one transaction: whoever holds the claim locks the
alert, looks whether it is still open, writes the deliveries and lets the next step wait.
"""

import uuid
from datetime import timedelta

import structlog
from django.db import DatabaseError, transaction

from alerts.choices import ESCALATE_LEASE, ESCALATE_MAX_ATTEMPTS, ESCALATE_RETRY_BASE
from alerts.models import Alert, Delivery, Escalation, EscalationStep
from alerts.results import EscalationResult
from alerts.rule_repositories import UNACKNOWLEDGED
from alerts.services.outbox import write_deliveries
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
    alert = None if escalation is None else Alert.objects.get_locked(escalation.alert_id)
    if escalation is None or alert is None:
        return EscalationResult(None)
    result = EscalationResult(alert.pk, step=escalation.position)
    steps = []
    if alert.status in UNACKNOWLEDGED and alert.rule_id is not None:
        steps = list(EscalationStep.objects.of_rules([alert.rule_id]).at_or_after(escalation.position)[:2])
    if not steps:
        Escalation.objects.finish(escalation_id, token=token, attempts=0)
        return EscalationResult(alert.pk, stopped=alert.status not in UNACKNOWLEDGED)
    told = Delivery.objects.channels_told(alert.pk)
    channels = [channel for channel in steps[0].channels.order_by("pk") if channel.pk not in told]
    write_deliveries([(alert, channel) for channel in channels], demo=alert.camera.demo, step=steps[0].position)
    if len(steps) > 1:
        wait = timedelta(seconds=steps[1].wait_seconds)
        Escalation.objects.postpone(escalation_id, token=token, wait=wait, position=steps[1].position, attempts=0)
    else:
        Escalation.objects.finish(escalation_id, token=token, position=steps[0].position + 1, attempts=0)
    logger.info("escalated", alert=alert.pk, step=steps[0].position, channels=len(channels))
    return result


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
