"""What is kept about an embedded server between processes: its port, its password, its locks."""

import fcntl
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from siteadmin.embedded.errors import EmbeddedError

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 20_000
DEFAULT_EPHEMERAL_START = 32_768
POLL_SECONDS = 0.05
TAKE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens on loopback, its password, and which var folder (device, inode) it serves.

    A copied var folder has the same port and password as its original; the inode tells the two apart,
    so that a copy never talks to the original's server. A moved folder keeps its inode.
    """

    port: int
    password: str
    home: tuple[int, int]

    @classmethod
    def fresh(cls, var: Path) -> Self:
        """Make an endpoint on a free port with a new password."""
        return cls(port=free_port(), password=secrets.token_hex(24), home=identity(var))

    def on_another_port(self, var: Path) -> Self:
        """Give the same endpoint on a free port, for this var folder."""
        return replace(self, port=free_port(), home=identity(var))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read an endpoint; None where there is none or it cannot be read."""
        try:
            values = json.loads(path.read_text())
            device, inode = values["home"]
            return cls(port=int(values["port"]), password=str(values["password"]), home=(int(device), int(inode)))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the endpoint for its owner alone; readers see the old file or the new one."""
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file)
        scratch.replace(path)


def identity(folder: Path) -> tuple[int, int]:
    """Give the device and inode that a folder keeps when it is moved, and a copy does not share."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def free_port() -> int:
    """Find a free loopback port below the range that outgoing connections take theirs from.

    A server that is restarted must get its port back, so no passing connection may sit on it.
    """
    top = _ephemeral_start()
    for _ in range(200):
        port = random.randrange(LOWEST_PORT, top)  # noqa: S311 - a port is no secret
        if is_free(port):
            return port
    raise EmbeddedError(f"no free port between {LOWEST_PORT} and {top} on {LOOPBACK}")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether nothing listens on this port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _ephemeral_start() -> int:
    try:
        start = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return DEFAULT_EPHEMERAL_START
    return start if start >= LOWEST_PORT + 1000 else 65_535


@contextmanager
def exclusive(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold a lock file; the kernel frees it when the holder dies. Raises EmbeddedError after the time."""
    deadline = time.monotonic() + seconds
    with path.open("a") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"another process has held {path} for {seconds:g} s")
            time.sleep(POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Ownership:
    """The claim of one supervisor on a var folder: while it is held, nobody else starts its servers."""

    def __init__(self, var: Path) -> None:
        self._path = run_folder(var) / "supervise.lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Claim the folder until this process ends; False where another process has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(TAKE_ATTEMPTS):  # `is_taken` of another process holds it for an instant
            if _try_lock(descriptor):
                self._descriptor = descriptor
                return True
            time.sleep(POLL_SECONDS)
        os.close(descriptor)
        return False

    def release(self) -> None:
        """Give the claim back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_taken(self) -> bool:
        """Whether a living process holds the claim."""
        try:
            descriptor = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)


def run_folder(var: Path) -> Path:
    """Give the folder for locks and endpoints, open to its owner alone."""
    folder = var / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
