"""One attempt of a claimed delivery: its bytes fixed, sent outside any transaction, recorded by the claim's token."""

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


def attempt(delivery: Delivery, *, breaker: BreakerView | None = None) -> Verdict | None:
    """Send a claimed delivery once and judge the answer; None where the claim was lost before anything was sent.

    `breaker`: how the channel's stood just now. CircuitBreakerOpenError where it lets nothing pass.
    """
    channel = delivery.channel
    if channel is None:
        return _failed_here("The channel was deleted")
    if delivery.attempts > settings.DELIVERY_MAX_ATTEMPTS:
        return _failed_here("No worker survived an attempt to send this")
    if not channel.is_readable:
        return _failed_here(UNREADABLE)
    if not _fix_body(delivery, channel=channel):
        return None
    message = Message(
        key=delivery.idempotency_key,
        body=bytes(delivery.body or b""),
        cameras=cameras_of(delivery),
        spared=quiet_people(channel, severity=severity_of(delivery), cameras=cameras_of(delivery))[0],
    )
    made = send_message(channel, message, breaker=breaker_of(channel), seen=breaker)
    return _judge(made, number=delivery.attempts)


def record(delivery: Delivery, verdict: Verdict) -> ChannelOutcome | None:
    """Write down what came of the attempt, all of it or, where the claim was lost meanwhile, nothing (None)."""
    channel = delivery.channel
    with transaction.atomic():
        if not _move_on(delivery, verdict):
            return None
        if channel is not None and verdict.gone:
            switch_channel_off(channel, reason=GONE)
        if channel is not None and verdict.ends_outage:
            Delivery.objects.wake_held(channel.pk)
    DELIVERIES.labels(str(delivery.channel_id), channel.kind if channel else "none", verdict.outcome.value).inc()
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


def _fix_body(delivery: Delivery, *, channel: Channel) -> bool:
    """Build and keep the bytes, unless an earlier attempt did; False where the claim was lost."""
    if delivery.body is None:
        if not close_digest(delivery):
            return False
        transport = transport_of(channel.kind)
        notice = notice_of(delivery, channel=channel, with_picture=transport.wants_picture)
        delivery.body = transport.compose(notice, key=delivery.idempotency_key, config=channel.config)
    assert delivery.claim_token is not None
    body = bytes(delivery.body)
    return Delivery.objects.begin(delivery.pk, token=delivery.claim_token, lease=lease_of(channel), body=body)


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


def _failed_here(error: str) -> Verdict:
    return Verdict(AttemptOutcome.FAILED, at=timezone.now(), error=error)


def _move_on(delivery: Delivery, verdict: Verdict) -> bool:
    """Put the delivery into its next state and log the attempt; False where the claim was lost."""
    token, duration_ms = delivery.claim_token, _milliseconds(verdict.duration)
    assert token is not None
    if verdict.outcome is AttemptOutcome.DELIVERED:
        return Delivery.objects.complete(
            delivery.pk,
            token=token,
            at=verdict.at,
            note=verdict.error,
            status_code=verdict.status_code,
            duration_ms=duration_ms,
        )
    if verdict.outcome is AttemptOutcome.FAILED:
        is_ours = Delivery.objects.finish(delivery.pk, token=token, state=DeliveryState.FAILED, gathering=False)
    else:
        is_ours = Delivery.objects.postpone(delivery.pk, token=token, wait=verdict.wait, state=DeliveryState.PENDING)
    if is_ours:
        DeliveryAttempt.objects.log(
            delivery.pk,
            at=verdict.at,
            outcome=verdict.outcome,
            error=verdict.error,
            status_code=verdict.status_code,
            duration_ms=duration_ms,
        )
    if is_ours and verdict.outcome is AttemptOutcome.FAILED:
        _bury(delivery, error=verdict.error)
    return is_ours


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
