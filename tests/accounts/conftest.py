"""Somebody to log in as."""

import base64
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User

from tests.factories import UserFactory

PASSWORD = "a-Long-enough-passphrase"


@pytest.fixture
def ann(db: None) -> User:
    """Give a viewer with a password."""
    user: User = UserFactory(username="ann", role="viewer")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def code_of() -> Callable[..., str]:
    """Give what an app with this secret shows now, or that many spans of 30 s later."""

    def show(secret: str, *, steps: int = 0) -> str:
        app = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303 - what apps know
        return app.generate(int(time.time()) + 30 * steps).decode()

    return show
