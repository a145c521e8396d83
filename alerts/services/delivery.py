"""Telling people over their channels: claimed, sent outside any transaction, recorded by the claim's token.

A message asks for one delivery, and the thread that takes it serves the channel: it claims that delivery and, where
the receiver is quick, further ones along with it, since the statements around a send cost more than the send.

1. Claim: one worker takes deliveries for the time of a lease, and the attempt counts from here.
2. Begin: the bytes are built and kept at the first attempt; every attempt sends the same bytes.
3. Send, one after the other.
4. Record: attempts, states and what follows from them, where the claim is still ours.

A worker that dies between 3 and 4 leaves its deliveries due again: they are sent once more under the same keys.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from alerts.channels.registry import transport_of
from alerts.choices import LEASE_MARGIN, QUIET_LOOK, AlertStatus, AttemptOutcome, DeliveryPurpose, DeliveryState
from alerts.models import Channel, Delivery, DeliveryAttempt
from alerts.results import ChannelOutcome, DeliveryResult
from alerts.services.attempts import Verdict, attempt, cameras_of, fix_body, lease_of, record, severity_of
from alerts.services.flood import let_go, pass_limit
from alerts.services.lanes import Lanes, Place
from alerts.services.sending import breaker_of
from alerts.services.suppression import quiet_channel, quiet_people
from siteadmin.core import audit, pipeline
from siteadmin.core.breaker import BreakerView, Position, state_of
from siteadmin.core.exceptions import CircuitBreakerOpenError, DeliveryNotFoundError, InvalidStateTransitionError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import requeue

logger = structlog.get_logger(__name__)

LANES = Lanes()
BEGIN_WITHIN_SECONDS = LEASE_MARGIN.total_seconds() / 2
"""How long after its lease began a delivery may still be sent: its deadline must lie within the lease."""
ALL_DISMISSED = "Every alert in it was dismissed"


def deliver(delivery_id: int) -> DeliveryResult:
    """Attempt a delivery that is due, and others of its channel where that is quick; the result is of this one.

    Without outcomes where another worker has it, its channel is busy or nothing is to be done.
    """
    found = Delivery.objects.find_due(delivery_id)
    if found is None:
        return DeliveryResult(alert_id=None)
    channel_id, alert_id = found
    with LANES.place(channel_id) as place:
        outcomes = {} if place is None else _serve(delivery_id, channel_id=channel_id, place=place)
    if outcomes:
        _ask_for_more(channel_id)
    if delivery_id not in outcomes:
        return DeliveryResult(alert_id=None)
    return DeliveryResult(alert_id=alert_id, outcomes=(outcomes[delivery_id],))


def claim_deliveries(delivery_id: int, *, channel: Channel | None, most: int = 1) -> Sequence[Delivery]:
    """Take a due delivery, and up to `most` in all of its channel; none where it is not due, taken or gone."""
    channel_id = None if channel is None else channel.pk
    taken = Delivery.objects.take(delivery_id, channel_id=channel_id, most=most, lease=lease_of(channel))
    for delivery in taken:
        delivery.channel = channel
    return taken


def park_waiting(channel_id: int) -> bool:
    """Let all that waits for a channel wait until it is switched on; False where it is on."""
    with transaction.atomic():
        # Whoever switches it on wakes what is parked: it must not happen between our look and our parking.
        channel = Channel.objects.get_locked(channel_id)
        if channel is None or channel.enabled:
            return False
        Delivery.objects.park_waiting(channel_id)
    return True


def retry_delivery(delivery_id: int) -> None:
    """Try a delivery again now that failed or waits for its next attempt.

    DeliveryNotFoundError, or InvalidStateTransitionError where there is nothing to try again.
    """
    with transaction.atomic():
        delivery = Delivery.objects.lock(delivery_id)
        if delivery is None:
            raise DeliveryNotFoundError(delivery_id)
        before = {"state": delivery.state, "due_at": delivery.due_at}
        if _try_again(delivery_id):
            delivery.refresh_from_db()
            audit.record("retry", delivery, before=before, after={"state": delivery.state, "due_at": delivery.due_at})
            return
    reason = "its channel was deleted" if delivery.channel_id is None else f"it is {delivery.state}"
    raise InvalidStateTransitionError(
        f"This delivery cannot be tried again: {reason}", details={"delivery_id": delivery_id, "state": delivery.state}
    )


def _try_again(delivery_id: int) -> bool:
    letter = DeadLetter.objects.get_open(task=Step.DELIVER.value, subject=str(delivery_id))
    if letter is not None and requeue(letter.pk):
        return True
    if Delivery.objects.hurry(delivery_id) or Delivery.objects.revive(delivery_id):
        dispatch(Step.DELIVER, delivery_id)
        return True
    return False


def _ask_for_more(channel_id: int | None) -> None:
    """Ask for what is due of a channel, as often as its lane has room: who found none left it to us."""
    for due_id in Delivery.objects.due_ids(channel_id, limit=LANES.room(channel_id)):
        if not pipeline.send(Step.DELIVER, due_id):
            break  # the broker is away; the sweeper asks when it is back


def _serve(delivery_id: int, *, channel_id: int | None, place: Place) -> dict[int, ChannelOutcome]:
    """Do what is to be done for a channel now, beginning with this delivery; what became of each, by id."""
    channel = None if channel_id is None else Channel.objects.get_to_serve(channel_id)
    if channel is None:
        return _send_each(claim_deliveries(delivery_id, channel=None), place=place)
    own = Delivery(pk=delivery_id, channel=channel, channel_name=channel.name)
    if not channel.enabled:
        parked = _outcome_of(own, DeliveryState.PARKED, error="The channel is off")
        return {delivery_id: parked} if park_waiting(channel.pk) else {}
    breaker = breaker_of(channel)
    view = None if breaker is None else state_of(breaker.name)
    if view is not None and view.position is Position.OPEN:
        return {delivery_id: _hold_back(own, error=view.last_error, seconds=view.retry_after)}
    is_probe = view is not None and view.position is Position.HALF_OPEN
    taken = claim_deliveries(delivery_id, channel=channel, most=1 if is_probe else place.most)
    going, outcomes = _sort_out(taken, channel=channel)
    return outcomes | _send_each(going, place=place, breaker=view)


def _sort_out(taken: Sequence[Delivery], *, channel: Channel) -> tuple[list[Delivery], dict[int, ChannelOutcome]]:
    """Part claimed deliveries into those to be sent, and what became of the others."""
    outcomes: dict[int, ChannelOutcome] = {}
    wanted: list[Delivery] = []
    for delivery in taken:
        outcome = _put_aside(delivery)
        if outcome is None:
            wanted.append(delivery)
        else:
            outcomes[delivery.pk] = outcome
    going = pass_limit(wanted, channel=channel)
    for delivery in wanted:
        if delivery not in going:
            state = DeliveryState.DIGESTED if delivery.state == DeliveryState.DIGESTED else AttemptOutcome.HELD
            outcomes[delivery.pk] = _outcome_of(delivery, state, error="Over the channel's limit")
    return going, outcomes


def _put_aside(delivery: Delivery) -> ChannelOutcome | None:
    """Let a claimed delivery go, or wait, that nobody needs (now); None where it is to be sent."""
    alert, token = delivery.alert, delivery.claim_token
    assert token is not None
    rows = Delivery.objects
    if delivery.purpose == DeliveryPurpose.DIGEST:
        if let_go(delivery):
            return _outcome_of(delivery, DeliveryState.SKIPPED, error=ALL_DISMISSED)
        quiet = _channel_quiet(delivery) or _people_quiet(delivery)
        return _wait_for_end(delivery, quiet=quiet) if quiet else None  # it goes on gathering until then
    snoozed_for = timedelta(0)
    if alert is not None and alert.snoozed_until is not None:
        snoozed_for = alert.snoozed_until - timezone.now()
    reason = ""
    if alert is not None and alert.status == AlertStatus.DISMISSED:
        reason = "The alert was dismissed"
    elif alert is not None and alert.camera.deleted_at is not None:
        reason = "The camera was deleted"  # with it its alerts are hidden, so nobody could answer
    elif alert is not None and delivery.step is not None and alert.status == AlertStatus.ACKNOWLEDGED:
        reason = "The alert was acknowledged before it escalated"
    elif snoozed_for <= timedelta(0):
        quiet = _channel_quiet(delivery)
        if quiet:
            return _wait_for_end(delivery, quiet=quiet)
        reason = _people_quiet(delivery)
        if not reason:
            return None
    with transaction.atomic():
        if reason:
            is_ours = rows.set_aside(delivery.pk, token=token, state=DeliveryState.SKIPPED, reason=reason, body=None)
        else:
            is_ours = rows.hold(delivery.pk, token=token, wait=snoozed_for)
        if is_ours:
            rows.hand_on([delivery.pk])
    if reason:
        return _outcome_of(delivery, DeliveryState.SKIPPED, error=reason)
    return _outcome_of(delivery, AttemptOutcome.HELD, error="The alert is snoozed", wait=snoozed_for)


def _wait_for_end(delivery: Delivery, *, quiet: str) -> ChannelOutcome:
    """Let a claimed delivery wait while it is quiet hours; it was to be sent before they began."""
    assert delivery.claim_token is not None
    with transaction.atomic():
        if Delivery.objects.hold(delivery.pk, token=delivery.claim_token, wait=QUIET_LOOK):
            DeliveryAttempt.objects.note_held(delivery.pk, error=quiet)
    return _outcome_of(delivery, AttemptOutcome.HELD, error=quiet, wait=QUIET_LOOK)


def _channel_quiet(delivery: Delivery) -> str:
    """Say that it is the channel's quiet hours, or give an empty text."""
    return "" if delivery.channel is None else quiet_channel(delivery.channel, severity=severity_of(delivery))


def _people_quiet(delivery: Delivery) -> str:
    """Say that it is the quiet hours of all whom a delivery would reach, or give an empty text."""
    channel = delivery.channel
    if channel is None:
        return ""
    return quiet_people(channel, severity=severity_of(delivery), cameras=cameras_of(delivery))[1]


def _send_each(
    deliveries: Sequence[Delivery], *, place: Place, breaker: BreakerView | None = None
) -> dict[int, ChannelOutcome]:
    """Send one after the other while it goes well and quickly; the rest waits as before."""
    outcomes: dict[int, ChannelOutcome] = {}
    made: list[tuple[Delivery, Verdict]] = []
    waiting = list(deliveries)
    try:
        _begin(waiting)
        until, goes_well = time.monotonic() + BEGIN_WITHIN_SECONDS, True
        while waiting and goes_well and time.monotonic() < until:
            delivery = waiting.pop(0)
            place.begin()
            try:
                verdict = attempt(delivery, breaker=breaker)
            except CircuitBreakerOpenError as error:
                waiting.append(delivery)
                outcomes[delivery.pk] = _outcome_of(delivery, AttemptOutcome.HELD, error=error.message)
                break
            made.append((delivery, verdict))
            if not _may_come_twice(delivery):
                outcomes |= _record(made)
            goes_well = place.end(well=verdict.outcome is not AttemptOutcome.RETRY)
    finally:
        outcomes |= _record(made)
        # Not the one at which something unforeseen happened: its attempt counts, or it would be tried for ever.
        Delivery.objects.give_back(waiting)
    return outcomes


def _begin(waiting: list[Delivery]) -> None:
    """Build and keep the bytes of claimed deliveries; those whose claim was lost are left out from here on."""
    claimed = list(waiting)
    fresh = {delivery.pk for delivery in claimed if delivery.body is None}
    for _ in claimed:
        delivery = waiting.pop(0)  # so that it is not given back, should building its bytes end us
        if fix_body(delivery):
            waiting.append(delivery)
    stand: set[int] = set()
    if waiting:
        stand = Delivery.objects.begin(waiting, lease=lease_of(waiting[0].channel), fresh=fresh)
    waiting[:] = [delivery for delivery in waiting if delivery.pk in stand]
    _note_lost(delivery for delivery in claimed if delivery.pk not in stand)


def _record(made: list[tuple[Delivery, Verdict]]) -> dict[int, ChannelOutcome]:
    """Record attempts, which are then dealt with."""
    outcomes = record(made)
    _note_lost(delivery for delivery, _ in made if delivery.pk not in outcomes)
    made.clear()
    return outcomes


def _note_lost(deliveries: Iterable[Delivery]) -> None:
    for delivery in deliveries:
        logger.warning("lease_lost", step=Step.DELIVER.value, delivery=delivery.pk)


def _may_come_twice(delivery: Delivery) -> bool:
    """Tell whether its receiver knows a message again by its key: then several may be recorded together."""
    return delivery.channel is not None and transport_of(delivery.channel.kind).knows_keys


def _hold_back(delivery: Delivery, *, error: str, seconds: float) -> ChannelOutcome:
    """Let all that is due of a channel wait until its breaker lets a probe pass."""
    wait = timedelta(seconds=max(seconds, 1))
    assert delivery.channel_id is not None
    Delivery.objects.hold_due(delivery.channel_id, wait=wait, error=f"The channel failed before: {error}")
    return _outcome_of(delivery, AttemptOutcome.HELD, error=f"The channel failed before: {error}", wait=wait)


def _outcome_of(
    delivery: Delivery, outcome: DeliveryState | AttemptOutcome, *, error: str, wait: timedelta | None = None
) -> ChannelOutcome:
    return ChannelOutcome(
        channel_id=delivery.channel_id,
        channel=delivery.channel_name,
        outcome=outcome.value,
        delivery_id=delivery.pk,
        error=error,
        retry_in_seconds=None if wait is None else wait.total_seconds(),
    )
