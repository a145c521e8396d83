"""What a channel with a limit may send now; the rest waits for one digest at the end of the period.

Each attempt takes a place of the channel's period. Where none is left, the delivery joins the digest that the
channel gathers. All of it happens under the lock of the channel's `ChannelPace`, so that a digest that begins to
be sent takes nothing more. A digest and a critical alert pass, and count.
"""

from datetime import timedelta

from django.db import transaction

from alerts.choices import DeliveryPurpose, DeliveryState, Severity
from alerts.models import Channel, ChannelPace, Delivery
from alerts.services.outbox import new_key


def may_send(delivery: Delivery, *, channel: Channel) -> bool | None:
    """Take a place for a claimed delivery; False where it was gathered instead, None where the claim was lost."""
    if channel.max_messages is None:
        return True
    token, period = delivery.claim_token, timedelta(seconds=channel.period_seconds)
    assert token is not None
    passes = delivery.purpose != DeliveryPurpose.ALERT or delivery.severity == Severity.CRITICAL
    with transaction.atomic():
        if ChannelPace.objects.take(channel.pk, limit=channel.max_messages, period=period, force=passes):
            return True
        digest = Delivery.objects.gathering_of(channel.pk) or _open_digest(channel, period=period)
        if not Delivery.objects.gather([delivery.pk], into=digest.pk, token=token):
            transaction.set_rollback(True)
            return None
    return False


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


def _open_digest(channel: Channel, *, period: timedelta) -> Delivery:
    pace = ChannelPace.objects.hold(channel.pk)
    assert pace is not None
    return Delivery.objects.open_digest(
        channel_id=channel.pk, channel_name=channel.name, key=new_key(), due_at=pace.started_at + period
    )
