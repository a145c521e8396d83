"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    *,
    timeout: float = 10.0,
    what: str = "the condition",
    message: Callable[[], str] | None = None,
) -> T:
    """Give the first true value of `condition`; AssertionError, with what `message` says, when time is up."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(message() if message is not None else f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)
