"""Deliveries under fire: whoever dies or goes away at whatever moment, nothing is lost and nothing has a second id.

Another sweeper and another worker run beside the product's own all the time.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import psycopg
import pytest
import redis
from celery import Celery

from siteadmin.core.pipeline import Step
from tests.fakes.http_server import Answer, HttpServer, Received
from tests.product import ROOT, Product
from tests.waiting import wait_until

SWEEP = """
import time
from django.db import Error, connection
from siteadmin.core.sweeper import sweep_all
while True:
    try:
        sweep_all()
    except Error:  # the database is restarted
        connection.close()
    time.sleep(0.5)
"""
POOL_QUEUE = "drill"
POOL = f"-m celery --quiet --skip-checks -A siteadmin worker -n drill@%h -Q {POOL_QUEUE} --pool=prefork -c 1".split()
WITHIN = 60.0
LOAD = 40
"""Alerts of a drill under load."""
REDIS_AWAY_SECONDS = 2.5
"""Above every time-out towards Redis: one that hangs for longer changes nothing more."""


@dataclass
class Line:
    """A camera, the rule for it, and the receiver that this rule tells."""

    camera: str
    channel: int
    receiver: HttpServer

    def alerts(self) -> set[int]:
        """Give the ids of the alerts that arrived."""
        return {alert_of(request) for request in list(self.receiver.requests)}

    def assert_one_id_each(self, count: int) -> None:
        """Each of so many alerts came under one id with the same bytes, however often."""
        messages = {
            (alert_of(request), request.headers["webhook-id"], request.body) for request in self.receiver.requests
        }
        assert len(self.alerts()) == len(messages) == count


def alert_of(request: Received) -> int:
    """Give the id of the alert that a request tells of."""
    return int(json.loads(request.body)["data"]["alert"]["id"])


@dataclass
class Site:
    """A running product, and what the drills need of it."""

    product: Product
    key: str
    pool: int
    """The process of a worker that takes deliveries from a queue of its own in a child."""
    receivers: list[HttpServer] = field(default_factory=list)

    def line(self, name: str, *answers: Answer) -> Line:
        """Set up a camera of which a receiver of its own is told; it answers 200 after what is scripted."""
        receiver = HttpServer(*answers)
        receiver.__enter__()
        self.receivers.append(receiver)
        self._make("/api/cameras", id=name, name=name)
        channel = self._make("/api/channels", name=name, kind="webhook", config={"url": receiver.url})
        self._make("/api/alert-rules", name=name, camera_ids=[name], cooldown_seconds=0, channel_ids=[channel["id"]])
        return Line(name, channel["id"], receiver)

    def see(self, line: Line, *, count: int = 1) -> None:
        """Let the camera see so many things, far enough apart for an event and an alert each."""
        now = datetime.now(UTC)
        body = {
            "detections": [
                {
                    "camera": line.camera,
                    "detected_at": (now - timedelta(minutes=10 * number)).isoformat(),
                    "object_type": "person",
                    "confidence": 0.9,
                    "bbox": {"x": 10, "y": 10, "width": 50, "height": 100},
                    "frame": {"width": 640, "height": 480},
                }
                for number in range(count)
            ]
        }
        status, answer = self.product.request("POST", "/api/detections/bulk", key=self.key, body=body)
        assert (status, {one["status"] for one in answer["results"]}) == (207, {201})

    def states(self, line: Line) -> set[tuple[str, int]]:
        """Give the states of the line's deliveries, each with its number."""
        query = "SELECT state, count(*) FROM alerts_delivery WHERE channel_id = %s GROUP BY state"
        return {(state, count) for state, count in self.product.rows(query, line.channel)}

    def is_over(self, line: Line) -> bool:
        """Tell whether there are deliveries of the line, all of them delivered."""
        return {state for state, _ in self.states(line)} == {"delivered"}

    def workers(self, name: str) -> list[psutil.Process]:
        return self.product.processes("celery", f"{name}@")

    def _make(self, path: str, **body: Any) -> Any:
        status, made = self.product.request("POST", path, key=self.key, body=body)
        assert status == 201, made
        return made


@pytest.fixture(scope="module")
def site(product: Product) -> Iterator[Site]:
    """Give the product with a second sweeper beside its own, and a pool of processes beside its threads."""
    key = product.api_key("admin")
    with beside(product, "manage.py", "shell", "-v", "0", "-c", SWEEP), beside(product, *POOL) as pool:
        running = Site(product, key, pool.pid)
        yield running
    for receiver in running.receivers:
        receiver.stop()


@contextmanager
def beside(product: Product, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one process more in the product's environment to the end; it is killed then, with its children."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=product.environ, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
        assert process.poll() is None, f"{command} ended by itself"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_redis_that_loses_everything_and_then_hangs_costs_nothing(site: Site) -> None:
    line = site.line("redis")
    workers = [*site.workers("notifier"), *site.workers("sender")]
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)
    site.see(line, count=LOAD)
    redis.Redis.from_url(site.product.redis_url).flushall()
    for worker in workers:
        worker.send_signal(signal.SIGCONT)

    wait_until(lambda: len(line.alerts()) >= 5, timeout=WITHIN)
    (server,) = [one for one in site.product.processes("redis-server") if "python" not in one.name()]
    server.send_signal(signal.SIGSTOP)
    threading.Event().wait(REDIS_AWAY_SECONDS)  # it is away for that long, whatever happens
    server.send_signal(signal.SIGCONT)

    wait_until(lambda: site.states(line) == {("delivered", LOAD)}, timeout=WITHIN)
    line.assert_one_id_each(LOAD)
    assert len(line.receiver.requests) == LOAD  # no worker died, so nobody was told twice


def test_a_worker_that_is_told_to_stop_under_load_ends_what_it_began(site: Site) -> None:
    line = site.line("term", *[Answer(delay=0.05)] * LOAD)
    site.see(line, count=LOAD)
    wait_until(lambda: len(line.alerts()) >= 5, timeout=WITHIN)
    stopped = site.workers("sender")

    for worker in stopped:
        worker.send_signal(signal.SIGTERM)

    wait_until(lambda: site.states(line) == {("delivered", LOAD)}, timeout=WITHIN)
    wait_until(lambda: not any(worker.is_running() for worker in stopped), timeout=WITHIN)
    line.assert_one_id_each(LOAD)
    assert len(line.receiver.requests) == LOAD


@pytest.fixture(scope="module")
def struck(site: Site) -> dict[str, Line]:
    """Kill workers with -9 at three moments, all at once, and while their leases run PostgreSQL under load.

    Gives what each of them was at.
    """
    gate = threading.Event()
    during, in_child = site.line("during", Answer(hang=True)), site.line("in_child", Answer(hang=True))
    before_commit = site.line("before_commit", Answer(gate=gate))
    lines = {"during": during, "before_commit": before_commit, "in_child": in_child}
    path = f"/api/channels/{in_child.channel}"
    assert site.product.request("PATCH", path, key=site.key, body={"enabled": False})[0] == 200
    site.see(in_child)
    wait_until(lambda: site.states(in_child) == {("parked", 1)}, timeout=WITHIN)
    with psycopg.connect(site.product.database_url) as connection:
        site.see(during)
        site.see(before_commit)
        hand_to_pool(site, in_child)
        for line in lines.values():
            line.receiver.wait_for(1, timeout=WITHIN)
        # Whoever wants to record what became of it waits from here on.
        connection.execute("SELECT FROM alerts_delivery WHERE channel_id = %s FOR UPDATE", [before_commit.channel])
        gate.set()
        wait_until(lambda: is_somebody_held_back(site), timeout=WITHIN)
        for child in psutil.Process(site.pool).children():
            child.kill()
        for worker in site.workers("sender"):
            worker.kill()
        connection.rollback()
    lines["database"] = site.line("database", *[Answer(delay=0.05)] * LOAD)
    site.see(lines["database"], count=LOAD)
    wait_until(lambda: len(lines["database"].alerts()) >= 5, timeout=WITHIN)
    site.product.processes("postgres", "-D")[0].send_signal(signal.SIGQUIT)  # what `pg_ctl -m immediate` sends
    for line in lines.values():
        wait_until(lambda line=line: site.is_over(line), timeout=WITHIN)  # type: ignore[misc]
    return lines


def hand_to_pool(site: Site, line: Line) -> None:
    """Let the line's delivery, parked while its channel is off, be due and asked for in the pool's queue alone."""
    with psycopg.connect(site.product.database_url) as connection:
        connection.execute("UPDATE alerts_channel SET enabled = true WHERE id = %s", [line.channel])
        due = "UPDATE alerts_delivery SET state = 'pending', due_at = now(), swept_at = now() WHERE channel_id = %s"
        row = connection.execute(f"{due} RETURNING id", [line.channel]).fetchone()
    assert row is not None
    with Celery(broker=site.product.redis_url, set_as_current=False) as broker:
        broker.send_task(Step.DELIVER.value, args=row, queue=POOL_QUEUE, ignore_result=True)


def is_somebody_held_back(site: Site) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'alerts_delivery'"
    return bool(site.product.rows(query)[0][0])


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("during", id="the whole worker, during the call"),
        pytest.param("before_commit", id="the whole worker, between the answer and our commit"),
        pytest.param("in_child", id="a child of a pool, during the call"),
    ],
)
def test_a_worker_that_is_killed_leaves_the_same_message_to_the_next(struck: dict[str, Line], moment: str) -> None:
    struck[moment].assert_one_id_each(1)
    assert len(struck[moment].receiver.requests) == 2


def test_a_database_that_is_stopped_dead_under_load_loses_and_doubles_nothing(struck: dict[str, Line]) -> None:
    struck["database"].assert_one_id_each(LOAD)
