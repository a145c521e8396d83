"""What a channel with a limit may send now; the rest waits for one digest at the end of the period.

Each attempt takes a place of the channel's period. Where none is left, what was never attempted joins the digest that
the channel gathers; what was has a message of its own, which may have arrived, and waits for the next period. All of
it happens under the lock of the channel's `ChannelPace`, so that a digest that begins to be sent takes nothing more.
A digest, a notice and a critical alert pass, and count.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from alerts.choices import DeliveryPurpose, DeliveryState, Severity
from alerts.models import Channel, ChannelPace, Delivery
from alerts.services.outbox import new_key


def pass_limit(deliveries: Sequence[Delivery], *, channel: Channel) -> list[Delivery]:
    """Give those of these claimed deliveries that may be sent now; the others have the state that they are in."""
    if channel.max_messages is None:
        return list(deliveries)
    period = timedelta(seconds=channel.period_seconds)
    going: list[Delivery] = []
    over: list[Delivery] = []
    with transaction.atomic():
        for delivery in deliveries:
            # Once the period is full, each further look would only ask the same again.
            passes = _passes(delivery)
            is_free = (passes or not over) and ChannelPace.objects.take(
                channel.pk, limit=channel.max_messages, period=period, force=passes
            )
            (going if is_free else over).append(delivery)
        if over:
            _let_wait(over, channel=channel, period=period)
    return going


def close_digest(delivery: Delivery) -> bool:
    """Let a claimed digest take no more; False where the claim was lost."""
    if not delivery.gathering:
        return True
    with transaction.atomic():
        assert delivery.channel_id is not None and delivery.claim_token is not None
        ChannelPace.objects.hold(delivery.channel_id)
        return Delivery.objects.stop_gathering(delivery.pk, token=delivery.claim_token)


def let_go(delivery: Delivery) -> bool:
    """Skip a claimed digest that tells of nothing any more; False where the claim was lost or something joined it."""
    assert delivery.channel_id is not None and delivery.claim_token is not None
    with transaction.atomic():
        ChannelPace.objects.hold(delivery.channel_id)
        return not Delivery.objects.tells_of_any(delivery.pk) and Delivery.objects.set_aside(
            delivery.pk, token=delivery.claim_token, state=DeliveryState.SKIPPED, gathering=False
        )


def _passes(delivery: Delivery) -> bool:
    return delivery.purpose != DeliveryPurpose.ALERT or delivery.severity == Severity.CRITICAL


def _let_wait(over: Sequence[Delivery], *, channel: Channel, period: timedelta) -> None:
    """Gather what is over the limit, and all else that is due; the caller's look locked the channel's pace."""
    pace = ChannelPace.objects.hold(channel.pk)
    assert pace is not None
    ends_at = pace.started_at + period
    fresh = [delivery for delivery in over if delivery.body is None]
    for delivery in over:
        delivery.state = DeliveryState.DIGESTED if delivery.body is None else DeliveryState.PENDING
        if delivery.body is not None:
            assert delivery.claim_token is not None
            wait = max(ends_at - timezone.now(), timedelta(0))
            Delivery.objects.hold(delivery.pk, token=delivery.claim_token, wait=wait)
    if fresh:
        digest = Delivery.objects.gathering_of(channel.pk) or Delivery.objects.open_digest(
            channel_id=channel.pk, channel_name=channel.name, key=new_key(), due_at=ends_at
        )
        Delivery.objects.gather(fresh, channel_id=channel.pk, into=digest.pk)
