"""What a delivery says: of its alert, of all that its digest gathered, or of the product itself."""

from io import BytesIO

from PIL import Image

from alerts.choices import DeliveryPurpose, DeliveryState
from alerts.messages import build_alert_notice, build_digest_notice, build_product_notice
from alerts.models import Channel, Delivery
from alerts.results import Notice
from alerts.services.links import action_links
from alerts.services.outbox import new_key
from cameras.models import Zone
from events.models import Event
from events.services.pictures import event_picture
from siteadmin.core.pipeline import Step, dispatch

WORST_NAMED, WORST_SHOWN = 5, 4
TILE = (480, 360)
"""Pixels of each picture of a digest."""


def notice_of(delivery: Delivery, *, channel: Channel, with_picture: bool) -> Notice:
    """Build what the delivery says, as things stand now."""
    if delivery.purpose == DeliveryPurpose.DIGEST:
        return _digest_notice(delivery, channel=channel, with_picture=with_picture)
    alert = delivery.alert
    if alert is None:
        said = delivery.notice or {}
        return build_product_notice(channel_name=said["channel"], reason=said["reason"], at=delivery.created_at)
    event = alert.event
    return build_alert_notice(
        alert,
        picture=event_picture(event, annotated=True) if with_picture and event is not None else None,
        zone=channel.timezone,
        places=[] if event is None else [place.name for place in Zone.objects.get_many(event.zones)],
        also=Delivery.objects.also_told(delivery.pk) if getattr(delivery, "tells_of_more", True) else (),
        step=delivery.step,
        actions=action_links(delivery) if channel.action_links else None,
    )


def switch_channel_off(channel: Channel, *, reason: str) -> bool:
    """Switch the channel off and tell all others that it reaches nobody any more; False where it is off already.

    In the caller's transaction, so that exactly one of any number of workers tells.
    """
    if not Channel.objects.switch_off(channel.pk, revision=channel.revision, reason=reason):
        return False
    Delivery.objects.park_waiting(channel.pk)
    said = {"channel": channel.name, "reason": reason}
    told = [
        Delivery(
            purpose=DeliveryPurpose.NOTICE,
            channel=other,
            channel_name=other.name,
            state=DeliveryState.PENDING,
            idempotency_key=new_key(),
            notice=said,
        )
        for other in Channel.objects.enabled()
    ]
    for delivery in Delivery.objects.create_many(told):
        dispatch(Step.DELIVER, delivery.pk)
    return True


def _digest_notice(delivery: Delivery, *, channel: Channel, with_picture: bool) -> Notice:
    worst = Delivery.objects.worst_told(delivery.pk, limit=WORST_NAMED)
    alerts = [told.alert for told in worst if told.alert is not None]
    events = [alert.event for alert in alerts if alert.event is not None]
    return build_digest_notice(
        at=delivery.created_at,
        counts=Delivery.objects.told_counts(delivery.pk),
        span=Delivery.objects.told_span(delivery.pk),
        worst=alerts,
        zone=channel.timezone,
        picture=_sheet(events) if with_picture else None,
    )


def _sheet(events: list[Event]) -> bytes | None:
    """Put the pictures of the worst events onto one sheet, two a row; None where there are none."""
    unique = {event.pk: event for event in events}
    pictures = [picture for event in unique.values() if (picture := event_picture(event, annotated=True))][:WORST_SHOWN]
    if not pictures:
        return None
    columns = min(len(pictures), 2)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * TILE[0], rows * TILE[1]))
    for index, data in enumerate(pictures):
        with Image.open(BytesIO(data)) as tile:
            tile.thumbnail(TILE)
            sheet.paste(tile.convert("RGB"), (index % columns * TILE[0], index // columns * TILE[1]))
    out = BytesIO()
    sheet.save(out, "JPEG", quality=85)
    return out.getvalue()
