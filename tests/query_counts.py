"""Committed numbers of SQL statements, so that a page or an answer that asks more than before is seen at once.

`UPDATE_QUERY_COUNTS=1 make test` writes the present numbers into query_counts.json; the diff is part of the review.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

COUNTS = Path(__file__).with_name("query_counts.json")


@contextmanager
def assert_query_count(name: str) -> Iterator[None]:
    """Fail, with the SQL, unless the block runs as many statements as are committed under this name."""
    with CaptureQueriesContext(connection) as captured:
        yield
    found = len(captured)
    if os.environ.get("UPDATE_QUERY_COUNTS") == "1":
        _write(name, found)
        return
    expected = _read().get(name)
    if found != expected:
        sql = "\n".join(f"{number}. {query['sql']}" for number, query in enumerate(captured.captured_queries, start=1))
        told = "none are committed" if expected is None else f"{expected} are committed"
        pytest.fail(f"{name}: {found} statements, {told} (UPDATE_QUERY_COUNTS=1 writes the present number):\n{sql}")


def _read() -> dict[str, int]:
    counts: dict[str, int] = json.loads(COUNTS.read_text())
    return counts


def _write(name: str, count: int) -> None:
    with COUNTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        counts = {**json.load(file), name: count}
        file.seek(0)
        file.truncate()
        json.dump(counts, file, indent=2, sort_keys=True)
        file.write("\n")
