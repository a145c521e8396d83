"""Threads that share no pool, so that as many transactions are open at once as there are threads."""

from collections.abc import Callable
from typing import TypeVar

from django.db import connection

from tests.core.threads import run_together

T = TypeVar("T")


def run_apart(function: Callable[[int], T], *, workers: int) -> list[T]:
    """Call `function(number)` in each worker at the same moment, each on a connection of its own; results by number."""

    def work(number: int) -> T:
        options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
        return function(number)

    return run_together(work, workers=workers)


def somebody_waits_for_us() -> bool:
    """Tell whether another connection waits for what this one's transaction holds."""
    with connection.cursor() as cursor:
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        cursor.execute(f"SELECT EXISTS ({waiting})")
        return bool(cursor.fetchone()[0])
