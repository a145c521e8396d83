"""Telling one channel of one alert: claimed, sent outside any transaction, recorded by the claim's token.

1. Claim: one worker takes the delivery for the time of a lease, and the attempt counts from here.
2. Attempt: the bytes are built and kept at the first one, then sent; every attempt sends the same bytes.
3. Record: attempt, state and what follows from them in one transaction, if the claim is still ours.

A worker that dies between 2 and 3 leaves the delivery due again: it is sent once more under the same key.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.channels.base import Message
from alerts.channels.registry import transport_of
from alerts.choices import (
    BUSY_LOOK,
    BUSY_PATIENCE,
    DELIVER_LEASE,
    MOST_AT_ONCE,
    SEND_LEASES,
    SLOW_PAUSE,
    AlertStatus,
    AttemptOutcome,
    DeliveryPurpose,
    DeliveryState,
)
from alerts.models import Channel, Delivery, DeliveryAttempt
from alerts.results import ChannelOutcome, DeliveryResult
from alerts.services.flood import close_digest, let_go, may_send
from alerts.services.lifecycle import mark_delivered
from alerts.services.notices import notice_of, switch_channel_off
from alerts.services.sending import Attempt, breaker_of, send_message
from siteadmin.core import breaker as breakers
from siteadmin.core.exceptions import CircuitBreakerOpenError, DeliveryNotFoundError, InvalidStateTransitionError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import LONGEST_WAIT, backoff, bury, requeue
from siteadmin.core.sealing import UNREADABLE

logger = structlog.get_logger(__name__)

GONE = "The receiver answered 410 Gone: it wants nothing more"


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker may attempt until its lease ends."""

    delivery: Delivery
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt means for its delivery."""

    outcome: AttemptOutcome
    at: datetime
    error: str = ""
    status_code: int | None = None
    duration: timedelta = timedelta(0)
    wait: timedelta = timedelta(0)
    """Until the next attempt, where there is one."""
    gone: bool = False
    recovered: bool = False
    """Whether the target answers again after a time of failures."""


def deliver(delivery_id: int) -> DeliveryResult:
    """Attempt a delivery that is due; without outcomes where another worker has it or nothing is to be done."""
    claim = claim_delivery(delivery_id)
    if claim is None:
        return DeliveryResult(alert_id=None)
    delivery, channel = claim.delivery, claim.delivery.channel
    needless = _why_needless(delivery)
    if needless:
        outcome = skip(claim, reason=needless)
    elif channel is not None and not channel.enabled:
        outcome = park(claim, channel=channel)
    elif delivery.purpose == DeliveryPurpose.DIGEST and channel is not None and let_go(delivery):
        outcome = _outcome_of(delivery, DeliveryState.SKIPPED, error="Every alert in it was dismissed")
    else:
        outcome = _send_or_wait(claim)
    if outcome is None:
        logger.warning("lease_lost", step=Step.DELIVER.value, delivery=delivery_id)
    return DeliveryResult(alert_id=delivery.alert_id, outcomes=() if outcome is None else (outcome,))


def claim_delivery(delivery_id: int) -> Claim | None:
    """Take a due delivery; None where it is not due, taken or gone."""
    token = Delivery.objects.claim(delivery_id, lease=DELIVER_LEASE, state=DeliveryState.SENDING)
    delivery = None if token is None else Delivery.objects.get_claimed(delivery_id, token=token)
    return None if token is None or delivery is None else Claim(delivery, token)


def attempt(claim: Claim) -> Verdict | None:
    """Send the delivery once and judge the answer; None where the claim was lost before anything was sent."""
    delivery, channel = claim.delivery, claim.delivery.channel
    if channel is None:
        return _failed_here("The channel was deleted")
    if delivery.attempts > settings.DELIVERY_MAX_ATTEMPTS:
        return _failed_here("No worker survived an attempt to send this")
    if not channel.is_readable:
        return _failed_here(UNREADABLE)
    breaker = breaker_of(channel)
    if not _fix_body(claim, channel=channel):
        return None
    cameras = None if delivery.alert is None else frozenset({delivery.alert.camera_id})
    message = Message(key=delivery.idempotency_key, body=bytes(delivery.body or b""), cameras=cameras)
    troubled = breaker is not None and breakers.state_of(breaker.name).position is not breakers.Position.CLOSED
    try:
        made = send_message(channel, message, breaker=breaker)
    except CircuitBreakerOpenError as error:
        wait = timedelta(seconds=error.retry_after or 1)
        return Verdict(AttemptOutcome.HELD, at=timezone.now(), error=error.message, wait=wait)
    return _judge(made, number=delivery.attempts, recovered=troubled)


def record(claim: Claim, verdict: Verdict) -> ChannelOutcome | None:
    """Write down what came of the attempt, all of it or, where the claim was lost meanwhile, nothing (None)."""
    delivery = claim.delivery
    with transaction.atomic():
        if not _move_on(claim, verdict):
            return None
        DeliveryAttempt.objects.log(
            delivery.pk,
            at=verdict.at,
            outcome=verdict.outcome,
            error=verdict.error,
            status_code=verdict.status_code,
            duration_ms=_milliseconds(verdict.duration),
        )
        if verdict.outcome is AttemptOutcome.DELIVERED:
            told = Delivery.objects.note_told(delivery.pk)
            mark_delivered(*told, *([] if delivery.alert_id is None else [delivery.alert_id]))
        elif verdict.outcome is AttemptOutcome.FAILED:
            _bury(delivery, error=verdict.error)
        if delivery.channel is not None and verdict.gone:
            switch_channel_off(delivery.channel, reason=GONE)
    channel = delivery.channel
    logger.info(
        "delivery_attempt",
        delivery=delivery.pk,
        channel=delivery.channel_id,
        outcome=verdict.outcome.value,
        status_code=verdict.status_code,
        error=verdict.error,
    )
    if channel is not None and verdict.recovered:
        Delivery.objects.wake_held(channel.pk)
    waits = verdict.outcome in (AttemptOutcome.RETRY, AttemptOutcome.HELD)
    return ChannelOutcome(
        channel_id=delivery.channel_id,
        channel=delivery.channel_name,
        outcome=verdict.outcome.value,
        delivery_id=delivery.pk,
        status_code=verdict.status_code,
        error=verdict.error,
        retry_in_seconds=verdict.wait.total_seconds() if waits else None,
        duration_ms=_milliseconds(verdict.duration),
    )


def retry_delivery(delivery_id: int) -> None:
    """Try a delivery again now that failed or waits for its next attempt.

    DeliveryNotFoundError, or InvalidStateTransitionError where there is nothing to try again.
    """
    with transaction.atomic():
        letter = DeadLetter.objects.get_open(task=Step.DELIVER.value, subject=str(delivery_id))
        if letter is not None and requeue(letter.pk):
            return
        if Delivery.objects.hurry(delivery_id) or Delivery.objects.revive(delivery_id):
            dispatch(Step.DELIVER, delivery_id)
            return
    delivery = Delivery.objects.get_by_id(delivery_id)
    if delivery is None:
        raise DeliveryNotFoundError(delivery_id)
    reason = "its channel was deleted" if delivery.channel_id is None else f"it is {delivery.state}"
    raise InvalidStateTransitionError(
        f"This delivery cannot be tried again: {reason}", details={"delivery_id": delivery_id, "state": delivery.state}
    )


def _why_needless(delivery: Delivery) -> str:
    """Say why nobody needs this any more, or give an empty text."""
    alert = delivery.alert
    if alert is not None and alert.status == AlertStatus.DISMISSED:
        return "The alert was dismissed"
    if alert is not None and delivery.step is not None and alert.status == AlertStatus.ACKNOWLEDGED:
        return "The alert was acknowledged before it escalated"
    return ""


def _send_or_wait(claim: Claim) -> ChannelOutcome | None:
    """Attempt a claimed delivery, unless its channel is in trouble, busy or over its limit."""
    delivery, channel = claim.delivery, claim.delivery.channel
    verdict = None if channel is None else _hold_back(channel)
    if verdict is None and channel is not None and delivery.attempts <= settings.DELIVERY_MAX_ATTEMPTS:
        passes = may_send(delivery, channel=channel)
        if passes is None:
            return None
        if not passes:
            return _outcome_of(delivery, DeliveryState.DIGESTED, error="Over the channel's limit")
    verdict = verdict or attempt(claim)
    return None if verdict is None else record(claim, verdict)


def _hold_back(channel: Channel) -> Verdict | None:
    """Say that it must wait, where the channel's breaker is open or its workers are enough."""
    breaker = breaker_of(channel)
    if breaker is None:
        return None
    view = breakers.state_of(breaker.name)
    if view.position is breakers.Position.OPEN:
        error, wait = f"The channel failed before: {view.last_error}", timedelta(seconds=max(view.retry_after, 1))
        return Verdict(AttemptOutcome.HELD, at=timezone.now(), error=error, wait=wait)
    until = time.monotonic() + BUSY_PATIENCE.total_seconds()
    while True:
        running, slow = Delivery.objects.load_of_channel(channel.pk, lease=_lease_of(channel))
        if not slow and running <= MOST_AT_ONCE:  # our own claim among them
            return None
        if slow or time.monotonic() > until:
            wait = backoff(1, base=SLOW_PAUSE)
            return Verdict(AttemptOutcome.HELD, at=timezone.now(), error="The channel is slow; one by one", wait=wait)
        time.sleep(BUSY_LOOK.total_seconds())


def _fix_body(claim: Claim, *, channel: Channel) -> bool:
    """Build and keep the bytes, unless an earlier attempt did; False where the claim was lost."""
    delivery = claim.delivery
    if delivery.body is None:
        if not close_digest(delivery):
            return False
        transport = transport_of(channel.kind)
        notice = notice_of(delivery, channel=channel, with_picture=transport.wants_picture)
        delivery.body = transport.compose(notice, key=delivery.idempotency_key, config=channel.config)
    lease = _lease_of(channel)
    return Delivery.objects.begin(delivery.pk, token=claim.token, lease=lease, body=bytes(delivery.body))


def _lease_of(channel: Channel) -> timedelta:
    return SEND_LEASES.get(channel.kind, DELIVER_LEASE)


def _judge(made: Attempt, *, number: int, recovered: bool) -> Verdict:
    outcome, error, wait = AttemptOutcome.RETRY, made.text, timedelta(0)
    if made.accepted:
        outcome = AttemptOutcome.DELIVERED
    elif made.permanent:
        outcome = AttemptOutcome.FAILED
    elif number >= settings.DELIVERY_MAX_ATTEMPTS:
        outcome, error = AttemptOutcome.FAILED, f"{made.text} (gave up after {number} attempts)"
    else:
        # Never before the receiver's own time, and never sooner than our own pauses either.
        asked = min(made.retry_after or timedelta(0), LONGEST_WAIT)
        wait = max(backoff(number, base=settings.DELIVERY_RETRY_BASE), asked)
    return Verdict(
        outcome,
        at=made.at,
        error=error,
        status_code=made.status_code,
        duration=made.duration,
        wait=wait,
        gone=made.gone,
        recovered=recovered and made.accepted,
    )


def _failed_here(error: str) -> Verdict:
    return Verdict(AttemptOutcome.FAILED, at=timezone.now(), error=error)


def _move_on(claim: Claim, verdict: Verdict) -> bool:
    """Put the delivery into its next state; False where the claim was lost."""
    delivery_id, token = claim.delivery.pk, claim.token
    match verdict.outcome:
        case AttemptOutcome.DELIVERED:
            return Delivery.objects.finish(
                delivery_id, token=token, state=DeliveryState.DELIVERED, delivered_at=timezone.now()
            )
        case AttemptOutcome.FAILED:
            return Delivery.objects.finish(delivery_id, token=token, state=DeliveryState.FAILED, gathering=False)
        case AttemptOutcome.HELD:
            return Delivery.objects.hold(delivery_id, token=token, wait=verdict.wait)
        case AttemptOutcome.RETRY:
            return Delivery.objects.postpone(delivery_id, token=token, wait=verdict.wait, state=DeliveryState.PENDING)


def skip(claim: Claim, *, reason: str) -> ChannelOutcome | None:
    """Let a claimed delivery go, since nobody needs it any more; None where the claim was lost."""
    if not Delivery.objects.set_aside(claim.delivery.pk, token=claim.token, state=DeliveryState.SKIPPED):
        return None
    return _outcome_of(claim.delivery, DeliveryState.SKIPPED, error=reason)


def park(claim: Claim, *, channel: Channel) -> ChannelOutcome | None:
    """Let a claimed delivery wait for its channel to be switched on; None where the claim was lost."""
    delivery = claim.delivery
    with transaction.atomic():
        # Whoever switches it on wakes what is parked: it must not happen between our look and our parking.
        current = Channel.objects.get_locked(channel.pk)
        if current is None or current.enabled:
            if not Delivery.objects.hold(delivery.pk, token=claim.token, wait=timedelta(0)):
                return None
            return _outcome_of(delivery, AttemptOutcome.HELD, error="The channel was switched on just now")
        if not Delivery.objects.set_aside(delivery.pk, token=claim.token, state=DeliveryState.PARKED):
            return None
    return _outcome_of(delivery, DeliveryState.PARKED, error="The channel is off")


def _outcome_of(delivery: Delivery, outcome: DeliveryState | AttemptOutcome, *, error: str) -> ChannelOutcome:
    return ChannelOutcome(
        channel_id=delivery.channel_id,
        channel=delivery.channel_name,
        outcome=outcome.value,
        delivery_id=delivery.pk,
        error=error,
    )


def _bury(delivery: Delivery, *, error: str) -> None:
    bury(
        Step.DELIVER,
        delivery.pk,
        error=error,
        attempts=delivery.attempts,
        payload={
            "delivery": delivery.pk,
            "alert": delivery.alert_id,
            "channel": delivery.channel_name,
            "idempotency_key": delivery.idempotency_key,
        },
    )


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
