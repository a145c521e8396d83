"""Writes what is to be sent: a delivery for each alert and channel, in the alert's own transaction."""

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog
from django.db import transaction
from django.utils import timezone

from alerts.choices import ChannelKind, DeliveryState
from alerts.models import Alert, Channel, Delivery
from siteadmin.core import pipeline
from siteadmin.core.pipeline import Step

logger = structlog.get_logger(__name__)

Quiet = Callable[[Alert, Channel], str]
"""Says why this channel is not to be told of this alert now, or gives an empty text."""


def write_deliveries(
    wanted: Iterable[tuple[Alert, Channel]],
    *,
    demo: bool,
    step: int | None = None,
    quiet: Quiet | None = None,
    untold: Collection[int] = (),
) -> Sequence[Delivery]:
    """Write a delivery for each pair; one whose channel is off is parked until it is on again.

    A channel is told of an event once at each severity: a further delivery is told of by the first one's message.
    A demo bothers nobody outside the product. `untold`: events that had no alert before, so nobody was told of them.
    The caller holds the rows of the events.
    """
    pairs = [(alert, channel) for alert, channel in wanted if not demo or channel.kind == ChannelKind.INBOX]
    if not pairs:
        return []
    # Locked, so that whoever switches one on meanwhile finds what is parked here.
    off = sorted({channel.pk for _, channel in pairs if not channel.enabled})
    locked = {channel_id: Channel.objects.get_locked(channel_id) for channel_id in off}
    deliveries = []
    for alert, found in pairs:
        channel = locked.get(found.pk, found)
        if channel is None:
            continue  # deleted just now
        delivery = Delivery(
            alert=alert,
            channel=channel,
            channel_name=channel.name,
            severity=alert.severity,
            idempotency_key=new_key(),
            step=step,
        )
        delivery.reason = "" if quiet is None else quiet(alert, channel)
        if delivery.reason:
            delivery.state, delivery.due_at = DeliveryState.SKIPPED, None
        elif not channel.enabled:
            delivery.state, delivery.due_at = DeliveryState.PARKED, None
        deliveries.append(delivery)
    first, repeats = _settle_repeats(deliveries, untold=untold)
    Delivery.objects.create_many(first)
    Delivery.objects.create_many(repeats)
    waiting = [delivery for delivery in first if delivery.state == DeliveryState.PENDING]
    if waiting:
        transaction.on_commit(lambda: ask_for(waiting), robust=True)
    return deliveries


def ask_for(deliveries: Sequence[Delivery]) -> None:
    """Ask for new deliveries to be sent.

    While the senders have messages enough, a channel that others wait for needs none: whoever sends these sends more
    of the channel along, and asks for what is left. A message costs more than a delivery that is sent with others.
    """
    try:
        if pipeline.has_enough(Step.DELIVER):
            busy = Delivery.objects.channels_waited_for([delivery.pk for delivery in deliveries])
            deliveries = [delivery for delivery in deliveries if delivery.channel_id not in busy]
    except pipeline.BrokerUnavailableError as error:
        logger.warning("broker_unreachable", step=Step.DELIVER.value, error=str(error))
        return
    for delivery in deliveries:
        if not pipeline.send(Step.DELIVER, delivery.pk):
            break  # the broker is away; the sweeper asks when it is back


def new_key() -> str:
    """Give an idempotency key that nothing has."""
    return f"msg_{uuid.uuid4().hex}"


def _settle_repeats(
    deliveries: Sequence[Delivery], *, untold: Collection[int]
) -> tuple[list[Delivery], list[Delivery]]:
    """Part them into those that tell of their event first, and those that such a message tells of too."""
    first: list[Delivery] = []
    repeats: list[Delivery] = []
    events = {delivery.alert.event_id for delivery in deliveries if delivery.alert is not None}
    asked = sorted(event for event in events if event is not None and event not in untold)
    told = Delivery.objects.first_of_events(asked) if asked else {}
    for delivery in deliveries:
        assert delivery.alert is not None
        if delivery.state == DeliveryState.SKIPPED:
            first.append(delivery)  # tells nobody, so it keeps no other back
            continue
        event_id, key = delivery.alert.event_id, (delivery.alert.event_id, delivery.channel_id, delivery.severity)
        teller = told.get(key) if event_id is not None else None
        if teller is None:
            delivery.event_id = event_id
            told[key] = delivery
            first.append(delivery)
            continue
        delivery.told_by = teller.told_by or teller
        delivery.state, delivery.due_at = DeliveryState.DIGESTED, None
        delivery.reason = "The channel's message for this event tells of it"
        if delivery.told_by.state == DeliveryState.DELIVERED:
            delivery.delivered_at = timezone.now()
        repeats.append(delivery)
    done = [delivery.alert_id for delivery in repeats if delivery.delivered_at is not None]
    Alert.objects.mark_all_delivered([alert_id for alert_id in done if alert_id is not None])
    return first, repeats
