"""One attempt over one channel, outside any transaction and without a record of its own."""

import contextlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from alerts.channels.base import ChannelError, Message, Sent
from alerts.channels.registry import transport_of
from alerts.models import Channel
from siteadmin.core.breaker import BreakerView, CircuitBreaker, GuardedCall
from siteadmin.core.clean import clean_text


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to."""

    at: datetime
    duration: timedelta
    accepted: bool
    status_code: int | None = None
    text: str = ""
    """Why it was not accepted, or what is worth knowing though it was."""
    permanent: bool = False
    gone: bool = False
    retry_after: timedelta | None = None
    ends_outage: bool = False
    """Whether it is the first to be accepted after the breaker had opened."""


def breaker_of(channel: Channel) -> CircuitBreaker | None:
    """Give the breaker before the channel's target; None for a channel that reaches nothing outside."""
    target = transport_of(channel.kind).target(channel.config) if channel.is_readable else None
    return None if target is None else CircuitBreaker(f"channel:{channel.pk}:{target}"[:200])


def signing_secrets(channel: Channel) -> tuple[str, ...]:
    """Give the channel's secret and, for a while after it was changed, the one before."""
    still = channel.old_secret_until is not None and channel.old_secret_until > timezone.now()
    return tuple(filter(None, (channel.secret, channel.old_secret if still else "")))


def send_message(
    channel: Channel, message: Message, *, breaker: CircuitBreaker | None = None, seen: BreakerView | None = None
) -> Attempt:
    """Send once and say what came of it; CircuitBreakerOpenError where the breaker does not let it pass.

    `seen`: how the breaker stood just now, where the caller knows.
    """
    at, started = timezone.now(), time.monotonic()
    call = GuardedCall()
    answer: Sent | ChannelError
    try:
        with contextlib.nullcontext(call) if breaker is None else breaker.guard(seen=seen) as call:
            answer = _send(channel, message, call=call)
    except ChannelError as error:
        answer = error
    duration = timedelta(seconds=time.monotonic() - started)
    if isinstance(answer, Sent):
        return Attempt(
            at=at,
            duration=duration,
            accepted=True,
            status_code=answer.status_code,
            text=clean_text(answer.note),
            ends_outage=call.is_probe,
        )
    return Attempt(
        at=at,
        duration=duration,
        accepted=False,
        status_code=answer.status_code,
        text=clean_text(str(answer)),
        permanent=answer.permanent,
        gone=answer.gone,
        retry_after=answer.retry_after,
    )


def _send(channel: Channel, message: Message, *, call: GuardedCall) -> Sent | ChannelError:
    """Send, and tell the breaker of what speaks against the target; what was refused on our side proves nothing."""
    try:
        return transport_of(channel.kind).send(message, config=channel.config, secrets=signing_secrets(channel))
    except ChannelError as error:
        if error.permanent and error.status_code is None:
            raise
        if not error.permanent:
            call.failed(str(error))
        return error
