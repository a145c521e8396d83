"""Who is asking: a program by its key, or a member of staff by their session."""

import base64
import binascii
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from siteadmin.core import known_keys
from siteadmin.core.exceptions import AuthenticationError
from siteadmin.core.keys import hash_key, key_in
from siteadmin.core.models import ApiKey
from siteadmin.core.principals import KeyPrincipal

CHALLENGE = 'Bearer realm="siteadmin"'
NOTE_USE_EVERY = timedelta(minutes=1)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY` or `X-API-Key: KEY`; a wrong key is refused even beside a valid session."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        """Give the principal and its key, or None where no key was sent."""
        key = self.read_key(request)
        return None if key is None else _enter(key)

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of a 401."""
        return CHALLENGE

    def read_key(self, request: Request) -> str | None:
        """Find the key in the headers."""
        return key_in(request.META)


class BasicKeyAuthentication(ApiKeyAuthentication):
    """HTTP Basic with the key as password, whatever the user name: all that many cameras can send."""

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of a 401; as the first authentication of its views it names both ways."""
        return f'{CHALLENGE}, Basic realm="siteadmin", charset="UTF-8"'

    def read_key(self, request: Request) -> str | None:
        """Find the key in the header."""
        scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            decoded = base64.b64decode(credentials.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return ""
        return decoded.partition(":")[2]


class StaffSessionAuthentication(SessionAuthentication):
    """The session of an active member of staff; anybody else's counts as nobody."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        """Give the user; raises PermissionDenied where the CSRF token is missing."""
        user = getattr(request._request, "user", None)
        if user is None or not user.is_active or not user.is_staff:
            return None
        self.enforce_csrf(request)
        return user, None

    def enforce_csrf(self, request: Request) -> None:
        """Refuse a forged form under a code of its own."""
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise PermissionDenied("The CSRF token is missing or incorrect", code="csrf_failed") from error


UPLOAD_AUTHENTICATION: list[type[BaseAuthentication]] = [
    BasicKeyAuthentication,
    ApiKeyAuthentication,
    StaffSessionAuthentication,
]
"""`authentication_classes` of the views that take pictures."""


def _enter(key: str) -> tuple[KeyPrincipal, ApiKey]:
    # Nothing that is no key of ours reaches the database, NUL bytes included.
    entity = _look_up(hash_key(key)) if key and key.isascii() else None
    if entity is None:
        raise AuthenticationFailed(AuthenticationError.default_message)
    if entity.last_used_at is None or entity.last_used_at <= timezone.now() - NOTE_USE_EVERY:
        ApiKey.objects.note_use(entity.pk, at_most_every=NOTE_USE_EVERY)
    return KeyPrincipal(entity), entity


def _look_up(key_hash: str) -> ApiKey | None:
    known = known_keys.recall(key_hash)
    if known is not None:
        return known
    change = known_keys.latest_change()
    entity = ApiKey.objects.get_usable(key_hash)
    if entity is not None:
        known_keys.remember(entity, change=change)
    return entity
