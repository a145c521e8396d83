"""Writes what the benchmarks of delivery send; runs inside the product's own environment."""

from alerts.models import Alert, Channel, Delivery
from alerts.services.outbox import ask_for, new_key
from tests.factories import AlertFactory


def write_deliveries(channel_id: int, count: int) -> None:
    """Write so many deliveries that are due, each of an alert of its own, and ask for each as the rules do."""
    channel = Channel.objects.get(pk=channel_id)
    first = AlertFactory()
    alerts = Alert.objects.create_many(
        Alert(
            event_id=first.event_id,
            rule_id=first.rule_id,
            camera_id=first.camera_id,
            rule_name=first.rule_name,
            severity=first.severity,
            dedup_key=f"bench:{number}",
        )
        for number in range(count)
    )
    deliveries = Delivery.objects.create_many(
        Delivery(
            alert=alert,
            channel=channel,
            channel_name=channel.name,
            severity=alert.severity,
            idempotency_key=new_key(),
        )
        for alert in alerts
    )
    for delivery in deliveries:
        ask_for([delivery])
