"""Attempts of claimed deliveries: the bytes fixed, sent outside any transaction, recorded by the claim's token.

Several of a channel are prepared by one statement, sent one after the other, and recorded together where the receiver
tells by the key what it has already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.channels.base import Message
from alerts.channels.registry import transport_of
from alerts.choices import DELIVER_LEASE, LEASE_MARGIN, SEND_LEASES, AttemptOutcome, ChannelKind, DeliveryState
from alerts.models import Channel, Delivery, DeliveryAttempt
from alerts.results import ChannelOutcome
from alerts.sending_repositories import Accepted
from alerts.services.flood import close_digest
from alerts.services.notices import notice_of, switch_channel_off
from alerts.services.sending import Attempt, breaker_of, send_message
from alerts.services.suppression import quiet_people
from siteadmin.core.breaker import BreakerView
from siteadmin.core.metrics import DELIVERIES
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import LONGEST_WAIT, backoff, bury
from siteadmin.core.sealing import UNREADABLE

logger = structlog.get_logger(__name__)

GONE = "The receiver answered 410 Gone: it wants nothing more"


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
    ends_outage: bool = False
    """Whether the target answers again after a time of failures."""


def fix_body(delivery: Delivery) -> bool:
    """Build the bytes of a claimed delivery that no attempt built before; False where the claim was lost.

    What cannot be sent gets none; `attempt` says why.
    """
    channel = delivery.channel
    if channel is None or delivery.body is not None or _obstacle(delivery):
        return True
    if not close_digest(delivery):
        return False
    transport = transport_of(channel.kind)
    notice = notice_of(delivery, channel=channel, with_picture=transport.wants_picture)
    delivery.body = transport.compose(notice, key=delivery.idempotency_key, config=channel.config)
    return True


def attempt(delivery: Delivery, *, breaker: BreakerView | None = None) -> Verdict:
    """Send a claimed delivery, whose bytes are kept, once and judge the answer.

    `breaker`: how the channel's stood just now. CircuitBreakerOpenError where it lets nothing pass.
    """
    channel, obstacle = delivery.channel, _obstacle(delivery)
    if channel is None or obstacle:
        return Verdict(AttemptOutcome.FAILED, at=timezone.now(), error=obstacle)
    message = Message(
        key=delivery.idempotency_key,
        body=bytes(delivery.body or b""),
        cameras=cameras_of(delivery),
        spared=quiet_people(channel, severity=severity_of(delivery), cameras=cameras_of(delivery))[0],
    )
    made = send_message(channel, message, breaker=breaker_of(channel), seen=breaker)
    return _judge(made, number=delivery.attempts)


def record(made: Sequence[tuple[Delivery, Verdict]]) -> dict[int, ChannelOutcome]:
    """Write down what came of attempts over one channel, by the ids of those whose claim stood.

    What was accepted is written by one transaction, anything else by one of its own.
    """
    accepted = [(delivery, verdict) for delivery, verdict in made if verdict.outcome is AttemptOutcome.DELIVERED]
    ours = _complete(accepted) if accepted else set()
    ours |= {
        delivery.pk
        for delivery, verdict in made
        if verdict.outcome is not AttemptOutcome.DELIVERED and _move_on(delivery, verdict)
    }
    return {delivery.pk: _note(delivery, verdict) for delivery, verdict in made if delivery.pk in ours}


def cameras_of(delivery: Delivery) -> frozenset[str] | None:
    """Give the cameras that a delivery tells of; None: any."""
    return None if delivery.alert is None else frozenset({delivery.alert.camera_id})


def severity_of(delivery: Delivery) -> str:
    """Give the severity of the alert that a delivery tells of, "" where it is not about one."""
    return "" if delivery.alert is None else delivery.alert.severity


def lease_of(channel: Channel | None) -> timedelta:
    """Give how long an attempt over this channel may take; what a killed worker held comes back then."""
    if channel is None:
        return DELIVER_LEASE
    if channel.kind == ChannelKind.WEBHOOK:
        return settings.WEBHOOK_TIMEOUT + LEASE_MARGIN
    return SEND_LEASES.get(channel.kind, DELIVER_LEASE)


def _obstacle(delivery: Delivery) -> str:
    """Say why a delivery cannot be sent at all, "" where it can."""
    channel = delivery.channel
    if channel is None:
        return "The channel was deleted"
    if delivery.attempts > settings.DELIVERY_MAX_ATTEMPTS:
        return "No attempt is left: each one failed, or its worker died"
    return "" if channel.is_readable else UNREADABLE


def _judge(made: Attempt, *, number: int) -> Verdict:
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
        ends_outage=made.ends_outage,
    )


def _complete(accepted: Sequence[tuple[Delivery, Verdict]]) -> set[int]:
    """Note what was accepted, where the claim stands; gives the ids of these."""
    rows = []
    for delivery, verdict in accepted:
        assert delivery.claim_token is not None
        rows.append(
            Accepted(
                delivery_id=delivery.pk,
                token=delivery.claim_token,
                at=verdict.at,
                note=verdict.error,
                status_code=verdict.status_code,
                duration_ms=_milliseconds(verdict.duration),
            )
        )
    with transaction.atomic():
        ours = Delivery.objects.complete(rows)
        for delivery, verdict in accepted:
            if verdict.ends_outage and delivery.pk in ours and delivery.channel_id is not None:
                Delivery.objects.wake_held(delivery.channel_id)
    return ours


def _move_on(delivery: Delivery, verdict: Verdict) -> bool:
    """Let a delivery that was not accepted wait or fail, and log the attempt; False where the claim was lost."""
    token = delivery.claim_token
    assert token is not None
    failed = verdict.outcome is AttemptOutcome.FAILED
    with transaction.atomic():
        if failed:
            is_ours = Delivery.objects.finish(delivery.pk, token=token, state=DeliveryState.FAILED, gathering=False)
        else:
            is_ours = Delivery.objects.postpone(
                delivery.pk, token=token, wait=verdict.wait, state=DeliveryState.PENDING
            )
        if not is_ours:
            return False
        DeliveryAttempt.objects.log(
            delivery.pk,
            at=verdict.at,
            outcome=verdict.outcome,
            error=verdict.error,
            status_code=verdict.status_code,
            duration_ms=_milliseconds(verdict.duration),
        )
        if failed:
            _bury(delivery, error=verdict.error)
        if verdict.gone and delivery.channel is not None:
            switch_channel_off(delivery.channel, reason=GONE)
    return True


def _note(delivery: Delivery, verdict: Verdict) -> ChannelOutcome:
    """Count and log a recorded attempt, and give what came of it."""
    kind = delivery.channel.kind if delivery.channel else "none"
    DELIVERIES.labels(str(delivery.channel_id), kind, verdict.outcome.value).inc()
    logger.info(
        "delivery_attempt",
        delivery=delivery.pk,
        channel=delivery.channel_id,
        outcome=verdict.outcome.value,
        status_code=verdict.status_code,
        error=verdict.error,
    )
    return ChannelOutcome(
        channel_id=delivery.channel_id,
        channel=delivery.channel_name,
        outcome=verdict.outcome.value,
        delivery_id=delivery.pk,
        status_code=verdict.status_code,
        error=verdict.error,
        retry_in_seconds=verdict.wait.total_seconds() if verdict.outcome is AttemptOutcome.RETRY else None,
        duration_ms=_milliseconds(verdict.duration),
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
