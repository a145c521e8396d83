"""A pair of servers for one command, in a folder that is removed afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from siteadmin.embedded import EmbeddedError, Server, servers
from siteadmin.embedded.state import run_folder

STOP_SECONDS = 30


def run_with_throwaway(argv: Sequence[str]) -> int:
    """Run a command with fresh servers and SITEADMIN_VAR, DATABASE_URL and REDIS_URL set; give its exit code.

    A URL that is set already is left alone, and its server is not started. The servers are our children
    and end with us, however we end.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    var = Path(tempfile.mkdtemp(prefix="siteadmin-"))
    running: list[subprocess.Popen[bytes]] = []
    try:
        environ = dict(os.environ) | {"SITEADMIN_VAR": str(var)}
        for server, variable in zip(servers(var, throwaway=True), ("DATABASE_URL", "REDIS_URL"), strict=True):
            if not environ.get(variable):
                running.append(_serve(server, environ))
                environ[variable] = _await(server, running[-1])
        return _run(argv, environ)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in reversed(running):
            _end(process, signal.SIGINT)
        shutil.rmtree(var, ignore_errors=True)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _serve(server: Server, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    log = run_folder(server.var) / f"{server.name}.out"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "siteadmin.embedded", server.name, "--throwaway"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C at the terminal is for the command; we stop the servers after it
        )


def _await(server: Server, process: subprocess.Popen[bytes]) -> str:
    while True:
        if server.is_running():
            return server.await_answer()
        if process.poll() is not None:
            words = (run_folder(server.var) / f"{server.name}.out").read_text(errors="replace").strip()
            raise EmbeddedError(f"{server.title} did not start: {words[-500:]}")
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue


def _run(argv: Sequence[str], environ: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(argv, env=environ)
    except OSError as error:
        raise EmbeddedError(f"cannot run {argv[0]}: {error.strerror}") from error
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _end(process, signal.SIGINT)
        raise
    return code if code >= 0 else 128 - code


def _end(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(signum)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
