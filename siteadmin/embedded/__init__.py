"""PostgreSQL and Redis for a machine that has none: found or started under the var folder.

Settings call this before Django is set up, so nothing here imports Django. Whoever finds no server
starts one that outlives the command; the supervisor takes such servers over and stops them last.
"""

from pathlib import Path

from siteadmin.embedded.errors import EmbeddedError
from siteadmin.embedded.postgres import Postgres
from siteadmin.embedded.redis import Redis
from siteadmin.embedded.server import Server
from siteadmin.embedded.state import Ownership

__all__ = ["EmbeddedError", "Ownership", "Server", "ensure_postgres", "ensure_redis", "is_running", "servers", "stop"]


def ensure_postgres(var: Path) -> str:
    """Find or start the PostgreSQL of this var folder and give its DATABASE_URL."""
    return _made(var, Postgres).ensure()


def ensure_redis(var: Path) -> str:
    """Find or start the Redis of this var folder and give its REDIS_URL."""
    return _made(var, Redis).ensure()


def servers(var: Path, *, throwaway: bool = False) -> list[Server]:
    """Give both servers of this var folder, in start order."""
    var.mkdir(parents=True, exist_ok=True)
    return [Postgres(var, throwaway=throwaway), Redis(var, throwaway=throwaway)]


def is_running(var: Path) -> bool:
    """Whether both servers answer now."""
    return all(server.is_running() for server in servers(var))


def stop(var: Path) -> None:
    """Stop both servers cleanly, PostgreSQL last."""
    for server in reversed(servers(var)):
        server.stop()


def _made(var: Path, kind: type[Server]) -> Server:
    var.mkdir(parents=True, exist_ok=True)
    return kind(var)
