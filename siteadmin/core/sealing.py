"""Secrets at rest: encrypted and authenticated with a key derived from SECRET_KEY (Fernet, HKDF-SHA256).

What was sealed under an older key opens while that one is among SECRET_KEY_FALLBACKS.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"siteadmin secrets at rest v1"
"""Keeps this key apart from whatever else is derived from SECRET_KEY."""
UNREADABLE = (
    "Its settings cannot be read: SECRET_KEY was changed. "
    "Put the old one into SECRET_KEY_FALLBACKS, or enter the settings again."
)


class UnsealError(Exception):
    """The text was sealed under a key that is not there any more, or is damaged."""


def seal(text: str) -> str:
    """Give the text encrypted under the current key; never the same twice."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Give the text that was sealed; raises UnsealError."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except (InvalidToken, ValueError) as error:
        raise UnsealError(UNREADABLE) from error


def reseal(sealed: str) -> str:
    """Give the same secret sealed under the current key, unchanged where it is already; raises UnsealError."""
    try:
        _box_of((settings.SECRET_KEY,)).decrypt(sealed.encode())
        return sealed
    except InvalidToken:
        pass
    try:
        return _box().rotate(sealed.encode()).decode()
    except (InvalidToken, ValueError) as error:
        raise UnsealError(UNREADABLE) from error


def _box() -> MultiFernet:
    return _box_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(key.encode())
