"""How fast lists and single rows are read over HTTP, beside bare psycopg and a minimal FastAPI + SQLAlchemy server.

All three are asked the same in the same run, by 1 and by 8 clients, of one history (READS_EVENTS; 1,000,000). The
load generator runs on the same two cores; `load ms` is what a request costs it, `web ms` and `postgres ms` what it
costs these, which says more than the rate where others use the machine. Nothing is asked before the database has
vacuumed the history and come to rest: what it had left to do would fall upon the first questions.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product as combinations
from urllib.parse import quote

import psycopg

from tests.bench.load import Load, Measured, run_apart
from tests.bench.processor import cpu_seconds
from tests.product import ROOT, Product, free_port, running_product
from tests.waiting import wait_until

EVENTS = int(os.environ.get("READS_EVENTS", "1000000"))
CLIENTS = (1, 8)
SECONDS = float(os.environ.get("READS_SECONDS", "2"))
WARM_UP_SECONDS = 1.0
"""Long enough for every thread to have its connection, and for that to have its statements prepared."""
QUIET_SHARE = 0.1
"""What a database at rest may use of a processor; the idle product asks it now and then."""
QUIET_WITHIN_SECONDS = 60
UNLIMITED = "900000000/minute"

COLUMNS = (
    "id, camera_id, started_at, ended_at, state, risk_score, risk_level, scored_by, summary, reasoning, object_types, "
    "zones, detection_count, reviewed, reviewed_by, reviewed_at, notes, kept, version"
)
VISIBLE = "deleted_at IS NULL AND merged_into_id IS NULL"
PAGE = f"SELECT {COLUMNS} FROM events_event WHERE {VISIBLE} AND %s ORDER BY started_at DESC, id DESC LIMIT 51"  # noqa: S608 - our own words
SUMMARY = f"""
SELECT date_trunc('day', started_at, 'UTC'), risk_level, reviewed, count(*) FROM events_event
WHERE {VISIBLE} AND started_at >= now() - interval '30 days' GROUP BY 1, 2, 3
"""  # noqa: S608 - our own words
FILTERED = list(combinations(("front_door", "garage", "barn"), ("medium", "high"), ("person", "car")))
"""Values of the three filters: a busy camera, a usual one and a quiet one."""

Figures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The same asked of the three: addresses of the site and of the other server, and SQL with its parameters."""

    site: list[str]
    other: list[str]
    sql: str
    parameters: list[list[str | int]] = field(default_factory=lambda: [[]])


def reading() -> Figures:
    """Measure all questions of all three."""
    settings = {"THROTTLE_READS": UNLIMITED, "THROTTLE_SEARCHES": UNLIMITED, "RETENTION_DAYS": "0"}
    figures: Figures = {"events": EVENTS}
    with running_product(**settings) as product:
        product.manage("make_history", f"--events={EVENTS}")
        with psycopg.connect(product.database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        wait_until(_Quiet(product), timeout=QUIET_WITHIN_SECONDS)
        headers = {"Authorization": f"Bearer {product.api_key('viewer')}"}
        with other_server(product) as port:
            for (name, question), clients in combinations(questions(product).items(), CLIENTS):
                load = Load(
                    port=product.port, paths=question.site, headers=headers, clients=clients, seconds=SECONDS,
                    warm_up_seconds=WARM_UP_SECONDS,
                )  # fmt: skip
                before = cpu_seconds(product)
                ours = run_apart(load)
                used = {name: seconds - before.get(name, 0) for name, seconds in cpu_seconds(product).items()}
                other = Load(
                    port=port, paths=question.other, headers={}, clients=clients, seconds=SECONDS,
                    warm_up_seconds=WARM_UP_SECONDS,
                )  # fmt: skip
                asked = bare(product, question, clients=clients)
                figures |= told(f"{name}, {clients}", ours, run_apart(other), asked)
                # The warm-up's requests are in it too.
                whole = ours.requests * (SECONDS + WARM_UP_SECONDS) / SECONDS
                for program in ("web", "postgres"):
                    figures[f"{name}, {clients}: {program} ms"] = used[program] / whole * 1000
                print(f"  {name}, {clients}: {ours.per_second:,.0f} a second, p95 {ours.p95:.1f} ms", flush=True)
    return figures


class _Quiet:
    """Tells whether the database rests, from one look to the next that is a second later or more."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.at, self.used = time.monotonic(), cpu_seconds(product)["postgres"]

    def __call__(self) -> bool:
        passed = time.monotonic() - self.at
        if passed < 1:
            return False
        used = cpu_seconds(self.product)["postgres"]
        is_quiet = (used - self.used) / passed < QUIET_SHARE
        self.at, self.used = time.monotonic(), used
        return is_quiet


def told(name: str, ours: Measured, other: Measured, bare_per_second: float) -> Figures:
    """Give the figures of one question."""
    return {
        f"{name}: a second": ours.per_second,
        f"{name}: p50 ms": ours.p50,
        f"{name}: p95 ms": ours.p95,
        f"{name}: load ms": ours.own_ms,
        f"{name}: FastAPI": other.per_second,
        f"{name}: psycopg": bare_per_second,
    }


def questions(product: Product) -> dict[str, Question]:
    """Give what is asked; cursors and ids are of this product's history."""
    half = EVENTS // 2
    ((at, last),) = product.rows(
        f"SELECT started_at, id FROM events_event WHERE {VISIBLE} ORDER BY started_at DESC, id DESC "  # noqa: S608
        "OFFSET %s LIMIT 1",
        half - 1,
    )
    ids = list(range(1, EVENTS, max(1, EVENTS // 500)))
    cameras = [(f"history_{camera}", level, kind) for camera, level, kind in FILTERED]
    filtered = [f"camera={camera}&risk_level={level}&object_type={kind}" for camera, level, kind in cameras]
    search = "search @@ websearch_to_tsquery('english', %s)"
    words = {"rare": "wheelbarrow", "common": "postman"}
    return {
        "first page": Question(site=["/api/events"], other=["/events"], sql=PAGE % "true"),
        "three filters": Question(
            site=[f"/api/events?{query}" for query in filtered],
            other=[f"/events?{query}" for query in filtered],
            sql=PAGE % "camera_id = %s AND risk_level = %s AND object_types && ARRAY[%s]::varchar[]",
            parameters=[list(values) for values in cameras],
        ),
        "row 500,000": Question(
            site=[f"/api/events?cursor={quote(cursor_at(product, at.isoformat(), last))}"],
            other=[f"/events?offset={half}"],
            sql=PAGE % "(started_at, id) < (%s, %s)",
            parameters=[[at.isoformat(), last]],
        ),
        "one event": Question(
            site=[f"/api/events/{one}" for one in ids],
            other=[f"/events/{one}" for one in ids],
            sql=f"SELECT {COLUMNS} FROM events_event WHERE {VISIBLE} AND id = %s",  # noqa: S608 - our own words
            parameters=[[one] for one in ids],
        ),
        **{
            f"{name} word": Question(
                site=[f"/api/events?q={word}"], other=[f"/events?q={word}"], sql=PAGE % search, parameters=[[word]]
            )
            for name, word in words.items()
        },
        "30 days": Question(site=["/api/events/summary"], other=["/summary"], sql=SUMMARY),
    }


def cursor_at(product: Product, at: str, event: int) -> str:
    """Have the site write the cursor of a place, which its own key signs."""
    code = (
        "from datetime import datetime; from events.models import Event; from siteadmin.core.cursors import *; "
        f"at = datetime.fromisoformat('{at}'); print(Keyset.of(Event.objects.for_api()).write(Place((at, {event}))))"
    )
    return product.manage("shell", "-v", "0", "-c", code).strip().splitlines()[-1]


def bare(product: Product, question: Question, *, clients: int) -> float:
    """Ask the database itself, from a process of its own; gives questions a second."""
    asked = {
        "url": product.database_url,
        "sql": question.sql,
        "parameters": question.parameters,
        "clients": clients,
        "seconds": SECONDS,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bare"],
        cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@contextmanager
def other_server(product: Product) -> Iterator[int]:
    """Run the FastAPI server with two worker processes and give its port."""
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", f"--port={port}", "--workers=2", "--log-level=warning", "--no-access-log",
        "tests.bench.rival:app",
    ]  # fmt: skip
    environ = {**os.environ, "RIVAL_DATABASE": product.database_url.replace("postgresql:", "postgresql+asyncpg:")}
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        asked = Load(port=port, paths=["/events"], headers={}, clients=1, seconds=0.1, warm_up_seconds=0)

        def answers() -> bool:
            try:
                return run_apart(asked).requests > 0
            except AssertionError:
                return False

        wait_until(answers, timeout=30)
        yield port
    finally:
        process.terminate()
        process.wait(30)
