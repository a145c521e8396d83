"""Running one function in many threads at the same moment, each with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def run_together(function: Callable[[int], T], *, workers: int = 16) -> list[T]:
    """Call `function(number)` in each worker once all of them are ready; gives the results by number."""
    barrier = threading.Barrier(workers)

    def work(number: int) -> T:
        try:
            barrier.wait(timeout=20)
            return function(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(work, range(workers)))
