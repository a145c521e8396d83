"""What PostgreSQL and Redis have in common: found or started once, taken over, stopped by one owner."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NoReturn

from siteadmin.embedded.account import Account, account_for, die_with_parent
from siteadmin.embedded.errors import EmbeddedError
from siteadmin.embedded.processes import is_alive, serving
from siteadmin.embedded.state import POLL_SECONDS, Endpoint, Ownership, exclusive, identity, is_free, run_folder

START_SECONDS = 120.0  # crash recovery of a busy database takes its time
STOP_SECONDS = 90.0
ORPHAN_GRACE_SECONDS = 1.0
PORT_ATTEMPTS = 5
LOG_KEPT_BYTES = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command that serves from its working directory, and the text it reads from standard input."""

    argv: list[str]
    stdin: str = ""
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"})


class Server(ABC):
    """One embedded server of one var folder."""

    name: ClassVar[str]
    title: ClassVar[str]
    programs: ClassVar[frozenset[str]]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, var: Path, *, throwaway: bool = False) -> None:
        self.var = var.absolute()
        self.data = self.var / self.name
        self.throwaway = throwaway
        run = run_folder(self.var)
        self._state = run / f"{self.name}.json"
        self._lock = run / f"{self.name}.lock"
        self._pid_file = run / f"{self.name}.pid"
        self.log = self.var / "log" / f"{self.name}.log"

    @abstractmethod
    def url(self, endpoint: Endpoint) -> str:
        """Give the URL under which programs reach the server."""

    @abstractmethod
    def answers(self, endpoint: Endpoint) -> bool:
        """Whether the server takes our password and serves; never by a pid alone."""

    @abstractmethod
    def prepare(self, endpoint: Endpoint, *, account: Account, is_fresh: bool) -> None:
        """Make the data directory fit to be served; a fresh endpoint has a password the data may not know."""

    @abstractmethod
    def launch(self, endpoint: Endpoint, *, account: Account) -> Launch:
        """Give the command that serves in the foreground."""

    @abstractmethod
    def recorded_pid(self) -> int | None:
        """Give the pid that the server wrote down, true or stale."""

    def ensure(self, *, as_owner: bool = False) -> str:
        """Find the living server or start one that outlives us, and give its URL.

        While a supervisor owns the servers, only it starts them: everybody else waits for it.
        Raises EmbeddedError when the server does not answer within START_SECONDS.
        """
        deadline = time.monotonic() + START_SECONDS
        if (endpoint := self._living()) is not None:
            return self.url(endpoint)
        ownership = Ownership(self.var)
        while not as_owner and ownership.is_taken():
            if (endpoint := self._living()) is not None:
                return self.url(endpoint)
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{self.title} of the running site has not answered for {START_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        with exclusive(self._lock, seconds=START_SECONDS):
            return self.url(self._living() or self._start())

    def is_running(self) -> bool:
        """Whether the server answers now."""
        return self._living() is not None

    def stop(self) -> None:
        """Stop the server cleanly and wait for its end; nothing happens where none runs."""
        with exclusive(self._lock, seconds=START_SECONDS):
            self._halt()

    def await_answer(self) -> str:
        """Wait for a server that somebody else is starting, and give its URL."""
        deadline = time.monotonic() + START_SECONDS
        while (endpoint := self._living()) is None:
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{self.title} has not answered for {START_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        return self.url(endpoint)

    def serve(self) -> NoReturn:
        """Become the server, in the foreground: a running one is stopped first, and the parent's death ends it.

        The port is kept whatever happens: other processes know it.
        """
        parent = os.getppid()
        with exclusive(self._lock, seconds=START_SECONDS):
            self._halt()
            account = self._folders()
            endpoint = self._prepared(account)
            launch = self.launch(endpoint, account=account)
            reading, writing = os.pipe()
            os.write(writing, launch.stdin.encode())
            os.close(writing)
            os.dup2(reading, 0)
            self._pid_file.write_text(str(os.getpid()))
            os.chdir(self.data)
            os.umask(0o077)
            account.become()
            die_with_parent(self.stop_signal)  # only now: giving up root clears it
            if os.getppid() != parent:
                raise SystemExit(1)
            os.execve(launch.argv[0], launch.argv, launch.environ)  # noqa: S606 - no shell is the point

    def _living(self) -> Endpoint | None:
        endpoint = Endpoint.load(self._state)
        if endpoint is None or endpoint.home != identity(self.var) or not self.answers(endpoint):
            return None
        return endpoint

    def _start(self) -> Endpoint:
        for _ in range(PORT_ATTEMPTS):
            account = self._folders()
            started = None
            if self._main_pid() is None or self._endpoint_is_lost():
                self._halt()
                started = self._start_daemon(self._prepared(account, move_port=True), account=account)
            endpoint = self._await_start(started)
            if endpoint is not None:
                return endpoint
            failed = Endpoint.load(self._state)
            if failed is None or is_free(failed.port):
                break  # it did not fail for its port, so another one would not help
        raise EmbeddedError(f"{self.title} did not start; {self.log} ends with: {self._last_words()}")

    def _endpoint_is_lost(self) -> bool:
        endpoint = Endpoint.load(self._state)
        return endpoint is None or endpoint.home != identity(self.var)

    def _folders(self) -> Account:
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        account = account_for(self.data)
        if self.data.exists():
            account.own(self.data)
        return account

    def _prepared(self, account: Account, *, move_port: bool = False) -> Endpoint:
        endpoint = Endpoint.load(self._state)
        is_fresh = endpoint is None
        if endpoint is None:
            endpoint = Endpoint.fresh(self.var)
        elif endpoint.home != identity(self.var) or (move_port and not is_free(endpoint.port)):
            endpoint = endpoint.on_another_port(self.var)
        self.prepare(endpoint, account=account, is_fresh=is_fresh)
        endpoint.save(self._state)
        return endpoint

    def _start_daemon(self, endpoint: Endpoint, *, account: Account) -> int:
        launch = self.launch(endpoint, account=account)
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        # The shell ends at once, so the server is nobody's child. A background job gets its input by `<&3` alone,
        # and must not hold our pipe open.
        detach = 'exec 3<&0; "$@" <&3 3<&- >&2 & echo $!'
        with self.log.open("ab") as log:
            started = subprocess.run(
                ["/bin/sh", "-c", detach, "sh", *launch.argv],
                input=launch.stdin.encode(),
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.data,
                env=launch.environ,
                umask=0o077,
                start_new_session=True,
                check=True,
                **account.popen_options(),
            )
        self._pid_file.write_bytes(started.stdout)
        return int(started.stdout)

    def _await_start(self, started: int | None) -> Endpoint | None:
        """Wait for the server; None where it has ended (its pid file comes later than its process)."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (endpoint := self._living()) is not None:
                return endpoint
            if not (started is not None and is_alive(started)) and self._main_pid() is None:
                return self._living()
            time.sleep(POLL_SECONDS)
        raise EmbeddedError(f"{self.title} has not answered for {START_SECONDS:g} s; see {self.log}")

    def _processes(self) -> dict[int, int]:
        return serving(self.data, programs=self.programs, hint=self.recorded_pid())

    def _main_pid(self) -> int | None:
        processes = self._processes()
        recorded = self.recorded_pid()
        return recorded if recorded in processes else None

    def _halt(self) -> None:
        """End every process that serves our data: the main one cleanly, what outlived it by force."""
        main = self._main_pid()
        if main is not None:
            _send(main, self.stop_signal)
            self._await_end(main, seconds=STOP_SECONDS)
        if self._processes():
            time_left = time.monotonic() + ORPHAN_GRACE_SECONDS
            while self._processes() and time.monotonic() < time_left:
                time.sleep(POLL_SECONDS)
        while leftover := self._processes():
            for pid in leftover:
                _send(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)

    def _await_end(self, main: int, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while main in self._processes() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return "nothing"
        return " / ".join(lines[-3:])

    def remove(self) -> None:
        """Delete the data; only for a server that has been stopped."""
        shutil.rmtree(self.data, ignore_errors=True)


def _send(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
