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
    """Give the first true value of `condition`; AssertionError, with what `message` says, when time is up.

    It looks again after a twentieth of what it has waited so far, 10 to 100 ms: a look may be a query or a request.
    """
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(message() if message is not None else f"waited {timeout} s in vain for {what}")
        time.sleep(min(max(waited / 20, 0.01), 0.1))
