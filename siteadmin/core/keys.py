"""API keys: how their text is made, hashed and kept."""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from siteadmin.core.audit import changing, record_created, recording
from siteadmin.core.exceptions import DuplicateResourceError, InvalidInputError, NotFoundError
from siteadmin.core.models import ApiKey
from siteadmin.core.roles import Role

KEY_START = "sa_"
RANDOM_BYTES = 32
"""256 bits: a plain SHA-256 is enough, since there is nothing to guess that salt or stretching would slow down."""


def hash_key(key: str) -> str:
    """Give the SHA-256 under which a key is stored, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_in(headers: Mapping[str, Any]) -> str | None:
    """Give the key in a request's headers, named as in WSGI: `Authorization: Bearer KEY`, else `X-API-Key: KEY`."""
    scheme, _, credentials = headers.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return str(credentials.strip())
    return headers.get("HTTP_X_API_KEY")


def create_api_key(
    *, name: str, role: Role, camera_ids: Iterable[str] = (), expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key and give it with its text `sa_<prefix>_<random>`, which is known only now.

    Raises InvalidInputError for an empty or too long name, DuplicateResourceError for a taken one.
    """
    name = name.strip()
    longest = ApiKey._meta.get_field("name").max_length
    if not name or len(name) > (longest or 0) or not name.isprintable():
        raise InvalidInputError(f"A key's name has 1 to {longest} printable signs")
    prefix = secrets.token_hex(4)
    key = f"{KEY_START}{prefix}_{secrets.token_urlsafe(RANDOM_BYTES)}"
    entity = ApiKey(
        name=name,
        prefix=prefix,
        key_hash=hash_key(key),
        role=role,
        camera_ids=sorted(set(camera_ids)),
        expires_at=expires_at,
    )
    with transaction.atomic():
        _store(entity)
        record_created(entity)
    return entity, key


def update_api_key(key_id: int, *, fields: Mapping[str, Any], expected_version: int | None = None) -> ApiKey:
    """Change a key's name, role, cameras, expiry or revocation; NotFoundError, DuplicateResourceError."""
    with transaction.atomic():
        entity = _locked(key_id)
        with changing(entity, expected_version=expected_version):
            for name, value in fields.items():
                setattr(entity, name, value)
            _store(entity)
    return entity


def delete_api_key(key_id: int) -> None:
    """Delete a key for good; what it did stays under its name. NotFoundError where there is none."""
    with transaction.atomic():
        entity = _locked(key_id)
        with changing(entity, action="delete"):
            ApiKey.objects.delete(entity)


def revoke_api_keys(key_ids: Collection[int]) -> int:
    """End those of these keys that are not revoked yet, and give how many; their rows stay, to tell who used what."""
    with recording("revoke", ApiKey.objects, key_ids):
        return ApiKey.objects.revoke(key_ids)


def _locked(key_id: int) -> ApiKey:
    entity = ApiKey.objects.lock(key_id)
    if entity is None:
        raise NotFoundError(key_id, message="There is no such key")
    return entity


def _store(entity: ApiKey) -> None:
    try:
        with transaction.atomic():
            ApiKey.objects.save(entity)
    except IntegrityError as error:
        raise DuplicateResourceError(
            f"A key named '{entity.name}' exists already", details={"name": entity.name}
        ) from error
