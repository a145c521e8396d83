"""The whole product as a newcomer starts it, in a folder of its own: for drills and benchmarks."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg

from siteadmin.embedded import ensure_postgres, ensure_redis
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
STOP_SECONDS = 60


def free_port() -> int:
    """Give a loopback port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(eq=False)
class Product:
    """One running product; `environ` is what its commands see."""

    var: Path
    port: int
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def camera_root(self) -> Path:
        return self.var / "cameras"

    @cached_property
    def database_url(self) -> str:
        """The product's own database; it stays where it is when the server restarts."""
        return ensure_postgres(self.var)

    @cached_property
    def redis_url(self) -> str:
        """The product's own Redis."""
        return ensure_redis(self.var)

    def manage(self, *arguments: str) -> str:
        """Run a management command and give what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        run = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    @cache  # noqa: B019 - products are few, and making a key starts a process
    def api_key(self, role: str) -> str:
        """Give an API key of this role, the same each time."""
        return self.manage("create_api_key", f"test-{role}-{os.urandom(4).hex()}", "--role", role).splitlines()[-1]

    def request(self, method: str, path: str, *, key: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask the API over HTTP; give the status and the JSON. A body of bytes is sent as it is."""
        request = urllib.request.Request(  # noqa: S310 - always http to loopback
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the product's database directly."""

        def ask() -> list[list[tuple[Any, ...]]]:
            try:
                return [self._connection.execute(query, parameters).fetchall()]  # type: ignore[arg-type]  # our own text
            except psycopg.OperationalError:  # it restarts: a drill's doing
                self.__dict__.pop("_connection", None)
                return []

        return wait_until(ask, timeout=30)[0]

    @cached_property
    def _connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.database_url, autocommit=True)

    def log_lines(self, **fields: Any) -> list[dict[str, Any]]:
        """Give the log's lines, which are JSON, that say all of this."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if all(line.get(name) == value for name, value in fields.items())]

    def processes(self, *words: str) -> list[psutil.Process]:
        """Give the product's processes whose command line has all these words."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = " ".join(child.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(child)
        return found

    def stop(self) -> list[psutil.Process]:
        """Stop it as a service manager would and give the processes that are left, which should be none."""
        if (connection := self.__dict__.pop("_connection", None)) is not None:
            connection.close()
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)
        return [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def running_product(*, before: Callable[[Path], None] | None = None, **settings: str) -> Iterator[Product]:
    """Start the product in a new folder with these settings, as on a fresh machine; stop and remove it afterwards.

    `before` finds the camera root as it shall be at the start.
    """
    folder = Path(tempfile.mkdtemp(prefix="siteadmin-product-"))
    folder.chmod(0o755)
    port = free_port()
    unset = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "CAMERA_ROOT", "PROMETHEUS_MULTIPROC_DIR"}
    environ = {name: value for name, value in os.environ.items() if name not in unset}
    environ |= {"SITEADMIN_VAR": str(folder / "var"), "PORT": str(port), "DEMO": "0", "PYTHONUNBUFFERED": "1"}
    environ |= {"SITEADMIN_ADMIN_PASSWORD": "a-Long-enough-passphrase"} | settings
    if before is not None:
        (folder / "var" / "cameras").mkdir(parents=True, exist_ok=True)
        before(folder / "var" / "cameras")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "siteadmin.supervise"],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    product = Product(var=folder / "var", port=port, environ=environ, process=process, log=log)
    try:
        wait_until(lambda: _is_ready(product), timeout=START_SECONDS, message=lambda: log.read_text()[-4000:])
        yield product
    finally:
        if process.poll() is None:
            product.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _is_ready(product: Product) -> bool:
    assert product.process.poll() is None, product.log.read_text()[-4000:]
    try:
        url = f"http://127.0.0.1:{product.port}/health/ready"
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - always http to loopback
            return bool(answer.status == 200)
    except OSError:
        return False
