"""Devices that show notifications: enabled and removed by their owners."""

import base64
import hashlib
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import transaction

from alerts.models import PushSubscription, VapidKey
from siteadmin.core.audit import record_created, recording
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import ValidationError

AUTH_BYTES = 16
LONGEST_ENDPOINT = 2000
LONGEST_DEVICE = 100


def public_key() -> str:
    """Give the site's public key, base64url; the pair is made at the first need and kept."""
    kept = VapidKey.objects.get_by_id(1)
    if kept is None:
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        kept = VapidKey.objects.keep_first(private_key=pem, public_key=_base64url(point))
    return kept.public_key


def subscribe_device(*, user_id: int, endpoint: str, p256dh: str, auth: str, device: str) -> PushSubscription:
    """Keep a browser's subscription; the same one again changes hands. ValidationError for what no browser gives."""
    problems = {
        "endpoint": "" if _is_endpoint(endpoint) else "Takes a push service's https address",
        "p256dh": "" if _is_point(p256dh) else "Takes a public key",
        "auth": "" if len(_bytes(auth)) == AUTH_BYTES else "Takes 16 bytes",
    }
    errors = [{"field": name, "code": "invalid", "detail": text} for name, text in problems.items() if text]
    if errors:
        raise ValidationError("This is no push subscription", errors=errors)
    with transaction.atomic():
        kept = PushSubscription.objects.subscribe(
            endpoint_hash=hashlib.sha256(endpoint.encode()).hexdigest(),
            user_id=user_id,
            endpoint=endpoint,
            p256dh=p256dh,
            auth=auth,
            device=clean_text(device, limit=LONGEST_DEVICE) or "A browser",
        )
        record_created(kept, action="enable")
    return kept


def remove_device(subscription_id: int, *, user_id: int) -> bool:
    """Remove one of the user's own devices; False where there is none."""
    with recording("disable", PushSubscription.objects, [subscription_id]):
        return PushSubscription.objects.unsubscribe(user_id=user_id, subscription_id=subscription_id)


def _is_endpoint(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme == "https" and bool(parts.hostname) and len(endpoint) <= LONGEST_ENDPOINT
    except ValueError:
        return False


def _is_point(key: str) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(key))
    except ValueError:
        return False
    return True


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
