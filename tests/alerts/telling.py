"""Deliveries ready to be sent, and looks at what became of them."""

from datetime import timedelta
from typing import Any

from alerts.models import Channel, Delivery
from alerts.results import ChannelOutcome
from alerts.services import attempts
from alerts.services.attempts import Verdict, fix_body
from alerts.services.channels import create_channel
from alerts.services.delivery import claim_deliveries, deliver
from siteadmin.core.models import DeadLetter
from tests.factories import DeliveryFactory
from tests.fakes.http_server import HttpServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook_to(receiver: HttpServer, *, name: str = "Hook", path: str = "/hook") -> Channel:
    """Make a webhook channel to this receiver."""
    return create_channel(name=name, kind="webhook", config={"url": receiver.url + path}, secret=SECRET)


def delivery_to(channel: Channel, **fields: Any) -> Delivery:
    """Make a delivery that is due."""
    return DeliveryFactory(channel=channel, **fields)


def deliver_now(delivery: Delivery) -> ChannelOutcome:
    """Attempt a delivery, though it may not be due yet, and give its outcome."""
    Delivery.objects.hurry(delivery.pk)
    [outcome] = deliver(delivery.pk).outcomes
    delivery.refresh_from_db()
    return outcome


def claim(delivery: Delivery) -> Delivery | None:
    """Take a delivery as a worker does that is about to send it."""
    return next(iter(claim_deliveries(delivery.pk, channel=Channel.objects.get_by_id(delivery.channel_id))), None)


def attempt(delivery: Delivery) -> Verdict | None:
    """Attempt a claimed delivery as a worker does; None where it lost the claim before."""
    fix_body(delivery)
    stand = Delivery.objects.begin([delivery], lease=attempts.lease_of(delivery.channel), fresh={delivery.pk})
    return attempts.attempt(delivery) if stand else None


def waits(delivery: Delivery, *, at_least: float, at_most: float) -> bool:
    """Tell whether the next attempt lies this many seconds after the last one ended, a second of slack allowed."""
    last = delivery.attempt_log.order_by("-number")[0]
    assert delivery.due_at is not None
    wait = delivery.due_at - last.at
    return timedelta(seconds=at_least) <= wait <= timedelta(seconds=at_most + 1)


def letters() -> list[DeadLetter]:
    """Give the open dead letters."""
    return list(DeadLetter.objects.dead().order_by("pk"))
