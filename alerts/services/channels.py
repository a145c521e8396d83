"""Channels: made, changed, switched off and on, tested and deleted; the same for admin pages and API."""

import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from alerts.channels.base import ConfigError, Message
from alerts.channels.registry import transport_of
from alerts.channels.webpush import NO_DEVICE
from alerts.choices import SECRET_OVERLAP, ChannelKind
from alerts.messages import build_test_notice
from alerts.models import Channel, Delivery, MqttConnection, PushSubscription
from alerts.results import ChannelOutcome, DeliveryResult
from alerts.services.sending import breaker_of, send_message
from siteadmin.core.audit import changing, record, record_created
from siteadmin.core.exceptions import ChannelNotFoundError, DuplicateResourceError
from siteadmin.core.fields import UnreadableText
from siteadmin.core.models import BreakerState
from siteadmin.core.sealing import UNREADABLE


def create_channel(
    *, name: str, kind: str, config: dict[str, Any], enabled: bool = True, secret: str = "", **options: Any
) -> Channel:
    """Make a channel; where its kind has a secret and none is given, one is made.

    ConfigError for settings that cannot be used, DuplicateResourceError for a taken name.
    """
    transport = transport_of(kind)
    # Mail goes to people; what reads a webhook may pass links on to anybody.
    options = {"action_links": kind == ChannelKind.EMAIL, **options}
    channel = Channel(name=name, kind=kind, enabled=enabled, **options)
    channel.config = transport.validate(config)
    channel.secret = transport.make_secret(secret)
    with transaction.atomic():
        _store(channel)
        _expect_connection(channel)
        record_created(channel)
    return channel


def update_channel(
    channel_id: int,
    *,
    name: str | None = None,
    enabled: bool | None = None,
    config: dict[str, Any] | None = None,
    secret: str | None = None,
    expected_version: int | None = None,
    **options: Any,
) -> Channel:
    """Change what is given; masked values keep the old ones. What waits for the channel is parked while it is off.

    ChannelNotFoundError, ConfigError, DuplicateResourceError, or VersionConflictError where somebody changed it since
    `expected_version`.
    """
    with transaction.atomic():
        channel = _locked(channel_id)
        transport = transport_of(channel.kind)
        before, settings_before = breaker_of(channel), (channel.enabled, channel.config)
        with changing(channel, expected_version=expected_version):
            if name is not None:
                channel.name = name
            for option, value in options.items():
                setattr(channel, option, value)
            is_new = bool(secret)
            if config is not None:
                config = transport.validate(config, old=channel.config if channel.is_readable else None)
                is_new |= not channel.is_readable or config != channel.config
                channel.config = config
            if secret:
                _change_secret(channel, to=transport.make_secret(secret))
            elif config is not None and isinstance(channel.secret, UnreadableText):
                raise ConfigError({"secret": f"{UNREADABLE} It takes a new secret too."})
            if is_new:
                channel.revision += 1
            if enabled is not None and enabled != channel.enabled:
                channel.enabled, channel.disabled_reason = enabled, ""
            _store(channel)
        after = breaker_of(channel)
        if before is not None and after is not None and before.name != after.name:
            BreakerState.objects.delete_by_id(before.name)
        if (channel.enabled, channel.config) != settings_before:
            _expect_connection(channel)
        if channel.enabled:
            Delivery.objects.wake_parked(channel.pk)
            Delivery.objects.wake_held(channel.pk)
        else:
            Delivery.objects.park_waiting(channel.pk)
    return channel


def rotate_secret(channel_id: int) -> str:
    """Give the channel a new secret, the old one signing along for a day; the only time that the new one is shown.

    ChannelNotFoundError, or ConfigError for a kind without secrets.
    """
    with transaction.atomic():
        channel = _locked(channel_id)
        made = transport_of(channel.kind).make_secret("")
        if not made:
            raise ConfigError({"secret": "Only webhooks have a secret"})
        with changing(channel, action="rotate_secret"):
            old = channel.secret
            _change_secret(channel, to=made)
            if old:
                channel.old_secret, channel.old_secret_until = old, timezone.now() + SECRET_OVERLAP
            channel.revision += 1
            _store(channel)
    return made


def delete_channel(channel_id: int, *, expected_version: int | None = None) -> None:
    """Delete the channel; what waits for it fails with that reason. ChannelNotFoundError, VersionConflictError."""
    with transaction.atomic():
        channel = _locked(channel_id)
        # Parked ones would wait for ever for a channel that is gone.
        Delivery.objects.wake_parked(channel_id)
        breaker = breaker_of(channel)
        if breaker is not None:
            BreakerState.objects.delete_by_id(breaker.name)
        with changing(channel, action="delete", expected_version=expected_version):
            Channel.objects.delete(channel)


def send_test_message(channel_id: int) -> DeliveryResult:
    """Send a message marked as a test now, also while the channel is off; it is not kept as a delivery.

    ChannelNotFoundError where there is none.
    """
    channel = Channel.objects.get_by_id(channel_id)
    if channel is None:
        raise ChannelNotFoundError(channel_id)
    if not channel.is_readable:
        return _told(ChannelOutcome(channel_id=channel.pk, channel=channel.name, outcome="failed", error=UNREADABLE))
    key = f"msg_{uuid.uuid4().hex}"
    notice = build_test_notice(channel_name=channel.name, at=timezone.now())
    body = transport_of(channel.kind).compose(notice, key=key, config=channel.config)
    made = send_message(channel, Message(key=key, body=body, cameras=frozenset()))
    if made.accepted:
        _end_outage(channel)
    told = "delivered" if made.accepted else "failed"
    with transaction.atomic():
        record("test", channel, after={"outcome": told})
    outcome = ChannelOutcome(
        channel_id=channel.pk,
        channel=channel.name,
        outcome=told,
        status_code=made.status_code,
        error=made.text,
        duration_ms=round(made.duration.total_seconds() * 1000),
    )
    return _told(outcome)


def problem_of(channel: Channel) -> str:
    """Say why the channel can send nothing at present, or give an empty text."""
    if not channel.is_readable:
        return UNREADABLE
    return transport_of(channel.kind).problem() or (_problem_outside(channel) if channel.enabled else "")


def _problem_outside(channel: Channel) -> str:
    """Say why a channel that is set up well reaches nobody just now, or give an empty text."""
    if channel.kind == ChannelKind.MQTT:
        kept = getattr(channel, "mqtt_connection", None)
        return "" if kept is None else kept.problem
    if channel.kind == ChannelKind.WEBPUSH and not PushSubscription.objects.of_staff(channel.config["users"]).exists():
        return NO_DEVICE
    return ""


def shown_config(channel: Channel) -> dict[str, Any]:
    """Give the channel's settings as they may be shown; none where they cannot be read."""
    return transport_of(channel.kind).mask(channel.config) if channel.is_readable else {}


def _expect_connection(channel: Channel) -> None:
    """Forget how the connection of a channel stood that has other settings now; it is made anew in a moment."""
    if channel.kind == ChannelKind.MQTT:
        MqttConnection.objects.expect(channel.pk)


def _locked(channel_id: int) -> Channel:
    channel = Channel.objects.get_locked(channel_id)
    if channel is None:
        raise ChannelNotFoundError(channel_id)
    return channel


def _told(outcome: ChannelOutcome) -> DeliveryResult:
    return DeliveryResult(alert_id=None, outcomes=(outcome,))


def _change_secret(channel: Channel, *, to: str) -> None:
    """Put a new secret in the old one's place at once: nothing else signs any more."""
    channel.secret, channel.old_secret, channel.old_secret_until = to, "", None


def _end_outage(channel: Channel) -> None:
    """Close the breaker of a channel that answers again, and let go what it held back."""
    breaker = breaker_of(channel)
    if breaker is not None and BreakerState.objects.delete_by_id(breaker.name):
        Delivery.objects.wake_held(channel.pk)


def _store(channel: Channel) -> Channel:
    try:
        with transaction.atomic():
            return Channel.objects.save(channel)
    except IntegrityError as error:
        raise DuplicateResourceError(
            f"A channel named '{channel.name}' exists already", details={"name": channel.name}
        ) from error
