"""A channel's quiet hours, for what was to be sent before they began: it waits for their end and is not lost."""

from collections.abc import Callable
from typing import Any

import pytest

from alerts.models import Channel, Delivery, QuietHours
from alerts.services.channels import update_channel
from tests.alerts.telling import deliver_now, delivery_to
from tests.factories import AlertFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db
ALWAYS = {"days": [], "start": "00:00", "end": "24:00", "timezone": "UTC"}
QUIET = "Quiet hours: 00:00-24:00 UTC, every day"


def begin_quiet_hours(channel: Channel, **fields: Any) -> None:
    QuietHours.objects.create(channel=channel, schedule=ALWAYS, **fields)


def end_quiet_hours() -> None:
    QuietHours.objects.get_queryset().delete()


def a_retry(channel: Channel, receiver: HttpServer) -> Delivery:
    receiver.script(Answer(503))
    delivery = delivery_to(channel)
    deliver_now(delivery)
    receiver.requests.clear()
    return delivery


def what_was_parked(channel: Channel, receiver: HttpServer) -> Delivery:
    update_channel(channel.pk, enabled=False)
    delivery = delivery_to(channel)
    deliver_now(delivery)
    assert delivery.state == "parked"
    update_channel(channel.pk, enabled=True)
    return delivery


def a_digest(channel: Channel, receiver: HttpServer) -> Delivery:
    digest = delivery_to(channel, alert=None, purpose="digest", gathering=True)
    delivery_to(channel, state="digested", due_at=None, told_by=digest)
    return digest


def a_notice(channel: Channel, receiver: HttpServer) -> Delivery:
    return delivery_to(channel, alert=None, purpose="notice", notice={"channel": "Mail", "reason": "It is gone"})


@pytest.mark.parametrize("make", [a_retry, what_was_parked, a_digest, a_notice])
def test_what_is_not_sent_before_they_begin_waits_for_their_end(
    hook: Channel, receiver: HttpServer, make: Callable[[Channel, HttpServer], Delivery]
) -> None:
    delivery = make(hook, receiver)
    attempts = delivery.attempts
    begin_quiet_hours(hook)

    outcomes = [deliver_now(delivery) for _ in range(2)]

    assert [(one.outcome, one.error) for one in outcomes] == [("held", QUIET)] * 2
    assert (delivery.state, delivery.attempts, len(receiver.requests)) == ("pending", attempts, 0)
    assert list(delivery.attempt_log.filter(outcome="held").values_list("error", flat=True)) == [QUIET]
    end_quiet_hours()
    assert deliver_now(delivery).outcome == "delivered"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("critical_passes", "outcome"), [(True, "delivered"), (False, "held")])
def test_critical_passes_unless_told_otherwise(hook: Channel, critical_passes: bool, outcome: str) -> None:
    begin_quiet_hours(hook, critical_passes=critical_passes)

    assert deliver_now(delivery_to(hook, alert=AlertFactory(severity="critical"))).outcome == outcome


def test_hours_that_are_switched_off_or_over_hold_nothing_back(hook: Channel) -> None:
    begin_quiet_hours(hook, enabled=False)

    assert deliver_now(delivery_to(hook)).outcome == "delivered"
