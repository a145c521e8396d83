"""Fixtures for tests of the kernel."""

from typing import Any

import pytest


@pytest.fixture
def small_api(settings: Any) -> None:
    """Serve the small API of tests/core/rest.py instead of the product's."""
    settings.ROOT_URLCONF = "tests.core.rest"
    settings.CAMERA_ACCESS = "tests.core.rest.access_of"
