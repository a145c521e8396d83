"""Fixtures for tests of the kernel."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role


@pytest.fixture
def small_api(settings: Any) -> None:
    """Serve the small API of tests/core/rest.py instead of the product's."""
    settings.ROOT_URLCONF = "tests.core.rest"
    settings.CAMERA_ACCESS = "tests.core.rest.access_of"


@pytest.fixture
def key_client(db: None) -> Callable[..., APIClient]:
    """Give a function that makes a client with a key of this role."""

    def make(role: str = "admin", *, cameras: tuple[str, ...] = ()) -> APIClient:
        _, key = create_api_key(name=f"{role} of {cameras}", role=Role(role), camera_ids=cameras)
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        return client

    return make
