"""API keys: how their text is made, hashed and kept."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from siteadmin.core.exceptions import DuplicateResourceError, InvalidInputError
from siteadmin.core.models import ApiKey
from siteadmin.core.roles import Role

KEY_START = "sa_"
RANDOM_BYTES = 32
"""256 bits: a plain SHA-256 is enough, since there is nothing to guess that salt or stretching would slow down."""


def hash_key(key: str) -> str:
    """Give the SHA-256 under which a key is stored, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


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
    try:
        with transaction.atomic():
            ApiKey.objects.save(entity)
    except IntegrityError as error:
        raise DuplicateResourceError(f"A key named '{name}' exists already", details={"name": name}) from error
    return entity, key
