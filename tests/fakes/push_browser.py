"""A browser's side of Web Push: its keys, and what it reads of what a push service would hand it."""

import base64
import hashlib
import json
import os
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alerts.models import PushSubscription
from tests.fakes.http_server import HttpServer


def base64url(data: bytes) -> str:
    """Give the data as browsers do."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Browser:
    """A browser's side of a subscription."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.keys = {"p256dh": base64url(point), "auth": base64url(self._auth)}

    def subscribe(self, receiver: HttpServer, user: Any, *, path: str = "/push/1") -> PushSubscription:
        """Enable notifications for this user, at a push service on loopback."""
        endpoint = receiver.url + path
        digest = hashlib.sha256(endpoint.encode()).hexdigest()
        # Past the service, which takes https alone.
        return PushSubscription.objects.subscribe(
            endpoint_hash=digest, user_id=user.pk, endpoint=endpoint, device="Phone", **self.keys
        )

    def open(self, body: bytes) -> Any:
        """Decrypt what the push service got."""
        return json.loads(
            http_ece.decrypt(body, private_key=self._private, auth_secret=self._auth, version="aes128gcm")
        )
