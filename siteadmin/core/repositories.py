"""Reads and atomic writes of the kernel's own models."""

from typing import TYPE_CHECKING

from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from siteadmin.core.models import ApiKey, BreakerState, DeadLetter


class DeadLetterRepository(Repository["DeadLetter"]):
    """Dead letters."""


class ApiKeyRepository(Repository["ApiKey"]):
    """API keys."""


class BreakerStateRepository(Repository["BreakerState"]):
    """Circuit breakers."""
