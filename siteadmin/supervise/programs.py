"""Which processes make up the running site, as data: a further one is one more line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DATABASE_STAGE, BROKER_STAGE, SITE_STAGE = 1, 2, 10
DATABASE_STOP_SECONDS = 90
WORKER_STOP_SECONDS = 30
WEB_STOP_SECONDS = 15
WEB_GRACE_SECONDS = 10
YIELDING_NICENESS = 5
"""A third of the processor where others want it too, all of it where they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One supervised process: stages start in ascending and stop in descending order, each as a whole."""

    name: str
    command: Sequence[str]
    stage: int = SITE_STAGE
    stop_signal: str = "TERM"
    stop_seconds: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the commands depend on."""

    var: Path
    host: str
    port: int
    has_embedded_postgres: bool
    has_embedded_redis: bool
    takes_ftp: bool = False
    """Whether FTP_PORT is set."""
    asks_services: bool = False
    """Whether an analyzer or an enrichment service outside is set up."""


def programs_of(site: Site) -> list[Program]:
    """Give the table of processes, in start order."""
    python = sys.executable
    embedded = [python, "-m", "siteadmin.embedded"]
    manage = [python, "manage.py"]
    celery = [python, "-m", "celery", "--quiet", "--skip-checks", "-A", "siteadmin"]  # prepare.py has checked
    # Workers have nothing to say to each other, and asking around would hold up each start for a second.
    worker = [*celery, "worker", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    # Detection takes all of the processor that there is; pages, intake and sending go first, as each takes little.
    yielding = ["nice", "-n", str(YIELDING_NICENESS)]
    # Slow services have a worker of their own; without any, what still waits for one is only put away.
    own_queues = "admit,detect" if site.asks_services else "admit,detect,enrich,analyze"
    table = [
        Program(
            name="web",
            command=[python, "-m", "uvicorn", *_uvicorn_options(site), "siteadmin.asgi:application"],
            stop_seconds=WEB_STOP_SECONDS,
        ),
        Program(
            name="pipeline",
            command=[*yielding, *worker, "-Q", own_queues, "--pool=prefork", "--concurrency=2", "-n", "pipeline@%h"],
            stop_seconds=WORKER_STOP_SECONDS,
        ),
        Program(
            name="notifier",
            command=[
                *worker, "-Q", "evaluate,evaluate_camera,escalate,export,celery", "--pool=threads", "--concurrency=8",
                "-n", "notifier@%h",
            ],
            stop_seconds=WORKER_STOP_SECONDS,
        ),
        # Apart from the judging, which no receiver may hold up; threads, as a channel has lanes for these.
        Program(
            name="sender",
            command=[*worker, "-Q", "deliver", "--pool=threads", "--concurrency=16", "-n", "sender@%h"],
            stop_seconds=WORKER_STOP_SECONDS,
        ),
        Program(name="beat", command=[*celery, "beat", *_beat_options(site)]),
        Program(name="watcher", command=[*manage, "watch"]),
        Program(name="mqtt", command=[*manage, "mqtt"]),
    ]  # fmt: skip
    if site.takes_ftp:
        table.append(Program(name="ftpd", command=[*manage, "ftpd"]))
    if site.asks_services:
        command = [*worker, "-Q", "enrich,analyze", "--pool=threads", "--concurrency=4", "-n", "services@%h"]
        table.append(Program(name="services", command=command, stop_seconds=WORKER_STOP_SECONDS))
    if site.has_embedded_redis:
        table.insert(0, Program(name="redis", command=[*embedded, "redis"], stage=BROKER_STAGE, stop_seconds=30))
    if site.has_embedded_postgres:
        table.insert(
            0,
            Program(
                name="postgres",
                command=[*embedded, "postgres"],
                stage=DATABASE_STAGE,
                stop_signal="INT",
                stop_seconds=DATABASE_STOP_SECONDS,
            ),
        )
    return table


def _beat_options(site: Site) -> list[str]:
    return ["--scheduler=siteadmin.supervise.beat:Scheduler", f"--schedule={site.var / 'celerybeat-schedule'}"]


def _uvicorn_options(site: Site) -> list[str]:
    return [
        f"--host={site.host}",
        f"--port={site.port}",
        "--workers=2",
        "--loop=siteadmin.core.listening:Loop",
        "--http=httptools",
        "--ws=none",
        "--lifespan=on",
        f"--timeout-graceful-shutdown={WEB_GRACE_SECONDS}",
        "--timeout-keep-alive=5",
        "--log-level=warning",
        "--no-access-log",
        "--no-server-header",
        "--no-proxy-headers",  # our own middleware decides which proxy is believed
    ]
