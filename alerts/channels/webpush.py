"""Web Push: notifications in the browsers that staff enabled them in (RFC 8030, 8291, 8292; docs/channels.md)."""

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from py_vapid import Vapid02

from alerts.channels.base import (
    ChannelError,
    Config,
    ConfigError,
    Message,
    Sent,
    refuse_secret,
    refuse_unknown_keys,
)
from alerts.channels.webhook import refusal_of
from alerts.choices import LinkAction
from alerts.models import PushSubscription, VapidKey
from alerts.results import Notice
from siteadmin.core import http
from siteadmin.core.fields import UnreadableText
from siteadmin.core.sealing import UNREADABLE

DEADLINE = timedelta(seconds=45)
"""For all devices together; far below the lease of a delivery."""
DEVICE_DEADLINE = timedelta(seconds=10)
KEPT_FOR = timedelta(days=1)
"""How long a push service keeps a message for a device that is off."""
SIGNED_FOR = timedelta(hours=12)
MAX_ANSWER_BYTES = 64 * 1024
LONGEST_TEXT = 1500
"""Push services take 4096 bytes encrypted, and a sign may take four."""
LONGEST_TITLE = 200
MOST_USERS = 100
NO_DEVICE = "No device has notifications enabled; each person enables theirs at /notifications/"
GONE = frozenset({404, 410})


@dataclass(slots=True)
class _Tally:
    """How the devices fared."""

    accepted: list[int] = field(default_factory=list)
    gone: int = 0
    spared: int = 0
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    retry_after: timedelta | None = None

    @property
    def total(self) -> int:
        return len(self.accepted) + self.gone + self.spared + len(self.refused) + len(self.failed)

    def describe(self) -> str:
        parts = [f"{len(self.accepted)} of {self.total} devices were told"]
        if self.gone:
            parts.append(f"{self.gone} had ended their subscription and were removed")
        if self.spared:
            parts.append(f"{self.spared} belong to people whose quiet hours it is")
        return "; ".join([*parts, *dict.fromkeys(self.refused + self.failed)])


class WebPushTransport:
    """One encrypted message a device; all devices of the channel's people are told by one attempt.

    Where a device's push service could not be reached the whole is tried again: devices that have the
    message replace it by itself, without a further sound.
    """

    wants_picture = False
    knows_keys = False

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Check the user names."""
        refuse_unknown_keys(config, known={"users"})
        users = config.get("users", [])
        if not isinstance(users, list) or len(users) > MOST_USERS or not all(isinstance(name, str) for name in users):
            raise ConfigError({"config.users": f"Takes a list of up to {MOST_USERS} user names; empty: everybody"})
        unknown = PushSubscription.objects.unknown_usernames(users)
        if unknown:
            raise ConfigError(
                {f"config.users.{users.index(name)}": "Nobody on the staff has this user name" for name in unknown}
            )
        return {"users": list(dict.fromkeys(users))}

    def mask(self, config: Config) -> Config:
        """There is nothing to hide."""
        return config

    def make_secret(self, given: str) -> str:
        """There is no secret of the channel's own."""
        return refuse_secret(given)

    def target(self, config: Config) -> str | None:
        """Name no single host: each browser's maker has its own."""
        return "push services"

    def problem(self) -> str:
        """It needs a key pair that can be read."""
        key = VapidKey.objects.get_by_id(1)
        return UNREADABLE if key is not None and isinstance(key.private_key, UnreadableText) else ""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give what the service worker shows, as JSON."""
        text = "\n".join(f"{label}: {value}" for label, value in notice.facts)
        shown = {
            "title": _cut(notice.title, LONGEST_TITLE),
            "body": _cut(text, LONGEST_TEXT),
            "url": _path(notice.page),
            "tag": key,
            "actions": [
                {"action": word.value, "title": word.label, "url": _path(notice.links[word])}
                for word in LinkAction
                if word in notice.links
            ],
        }
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Tell every device once."""
        if self.problem():
            raise ChannelError(self.problem(), permanent=True)
        key, deadline, tally = VapidKey.objects.get_by_id(1), time.monotonic() + DEADLINE.total_seconds(), _Tally()
        devices = list(PushSubscription.objects.of_staff(config["users"]).of_who_may_see(message.cameras))
        if key is None or not devices:
            raise ChannelError(NO_DEVICE, permanent=True)
        tally.spared = sum(device.user_id in message.spared for device in devices)
        devices = [device for device in devices if device.user_id not in message.spared]
        for device in devices:
            left = timedelta(seconds=deadline - time.monotonic())
            if left <= timedelta(0):
                tally.failed.append("There was no time left for some")
            else:
                _tell(device, message, key=key, timeout=min(left, DEVICE_DEADLINE), tally=tally)
        PushSubscription.objects.note_used(tally.accepted)
        if tally.failed:
            raise ChannelError(tally.describe(), permanent=False, retry_after=tally.retry_after)
        if not tally.accepted:
            raise ChannelError(tally.describe(), permanent=True)
        return Sent(note=tally.describe() if len(tally.accepted) < tally.total else "")


def _tell(device: PushSubscription, message: Message, *, key: VapidKey, timeout: timedelta, tally: _Tally) -> None:
    if isinstance(device.endpoint, UnreadableText) or isinstance(device.auth, UnreadableText):
        tally.refused.append(UNREADABLE)
        return
    try:
        response = http.request(
            "POST",
            device.endpoint,
            headers=_headers(device, message, key=key),
            content=_encrypt(device, message.body),
            timeout=timeout,
            max_bytes=MAX_ANSWER_BYTES,
        )
    except http.OutboundError as error:
        refused = error.kind is http.OutboundErrorKind.REFUSED
        (tally.refused if refused else tally.failed).append(error.message)
        return
    if response.is_success:
        tally.accepted.append(device.pk)
    elif response.status in GONE:
        PushSubscription.objects.forget(device.pk, auth=device.auth)
        tally.gone += 1
    else:
        refusal = refusal_of(response)
        (tally.refused if refusal.permanent else tally.failed).append(str(refusal))
        if refusal.retry_after is not None:
            tally.retry_after = max(tally.retry_after or timedelta(0), refusal.retry_after)


def _headers(device: PushSubscription, message: Message, *, key: VapidKey) -> dict[str, str]:
    parts = urlsplit(device.endpoint)
    claims: dict[str, Any] = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time() + SIGNED_FOR.total_seconds()),
        "sub": settings.SITE_URL if settings.IS_HTTPS else f"mailto:{settings.DEFAULT_FROM_EMAIL}",
    }
    signer: Any = Vapid02.from_pem(key.private_key.encode())
    return {
        **signer.sign(claims),
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(int(KEPT_FOR.total_seconds())),
        "Urgency": "high",
        # One that waits for the device under the same topic is replaced; at most 32 signs.
        "Topic": hashlib.sha256(message.key.encode()).hexdigest()[:32],
    }


def _encrypt(device: PushSubscription, body: bytes) -> bytes:
    from pywebpush import WebPusher  # noqa: PLC0415 - loads aiohttp, a fifth of what a process takes to start

    subscription = {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}}
    return bytes(WebPusher(subscription).encode(body, "aes128gcm")["body"])


def _path(url: str) -> str:
    """Give where on the site a link leads to: the service worker opens no other."""
    return urlsplit(url).path or "/"


def _cut(text: str, limit: int) -> str:
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "..."
