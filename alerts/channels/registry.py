"""Which kinds of channels there are."""

from alerts.channels.apprise import AppriseTransport
from alerts.channels.base import Transport
from alerts.channels.email import EmailTransport
from alerts.channels.inbox import InboxTransport
from alerts.channels.mqtt.transport import MqttTransport
from alerts.channels.webhook import WebhookTransport
from alerts.channels.webpush import WebPushTransport
from alerts.choices import ChannelKind

TRANSPORTS: dict[str, Transport] = {
    ChannelKind.INBOX: InboxTransport(),
    ChannelKind.WEBHOOK: WebhookTransport(),
    ChannelKind.EMAIL: EmailTransport(),
    ChannelKind.APPRISE: AppriseTransport(),
    ChannelKind.MQTT: MqttTransport(),
    ChannelKind.WEBPUSH: WebPushTransport(),
}


def transport_of(kind: str) -> Transport:
    """Give what sends for this kind."""
    return TRANSPORTS[kind]
