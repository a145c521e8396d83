"""supervisord inside our own process, with what it lacks for this job.

It gives up on a program that fails often, waits longer after each failure without end, leaves the
children of a killed program behind, and lets all programs live on when it is killed itself.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from siteadmin.embedded.account import die_with_parent
from siteadmin.supervise.programs import Program

NEVER_GIVE_UP = 10**9
LONGEST_WAIT_SECONDS = 5
STARTED_AFTER_SECONDS = 5  # who dies sooner waits before the next start
DESCRIPTORS = 256
NAME_WIDTH = 9


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord's door to the operating system."""

    def cleanup_fds(self) -> None:
        """Close nothing: our lock is one of these descriptors, and we start clean."""

    def setpgrp(self) -> None:
        """Runs in each new child: a group of its own, and a signal when the supervisor is killed."""
        super().setpgrp()
        die_with_parent(signal.SIGTERM)

    def waitpid(self) -> tuple[int | None, int | None]:
        """Reap one child, and first kill what is left of its group, while the dead leader still keeps its id."""
        with suppress(ChildProcessError):
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
                return os.waitpid(ended.si_pid, os.WNOHANG)
        return None, None


class Runner(Supervisor):  # type: ignore[misc]  # supervisor has no types
    """supervisord's loop, with an end to growing waits and every program's lines on our own output."""

    as_json = False

    def runforever(self) -> None:
        """Run until told to stop."""
        self._partial: dict[str, bytes] = {}
        events.subscribe(events.ProcessLogEvent, self._print)
        try:
            super().runforever()
        finally:
            events.unsubscribe(events.ProcessLogEvent, self._print)

    def tick(self, now: float | None = None) -> None:
        """Cap the wait before the next start."""
        super().tick(now)
        for group in self.process_groups.values():
            for process in group.processes.values():
                process.backoff = min(process.backoff, LONGEST_WAIT_SECONDS)

    def _print(self, event: Any) -> None:
        name = event.process.config.name
        data = self._partial.pop(name, b"") + event.data
        *lines, rest = data.split(b"\n")
        if rest:
            self._partial[name] = rest
        show = as_json_line if self.as_json else as_text_line
        with suppress(OSError):  # the terminal may be gone
            for line in lines:
                sys.stdout.buffer.write(show(line, name=name) + b"\n")
            sys.stdout.buffer.flush()


def as_text_line(line: bytes, *, name: str) -> bytes:
    """Put the program's name before its line."""
    return f"{name:<{NAME_WIDTH}}| ".encode() + line


def as_json_line(line: bytes, *, name: str) -> bytes:
    """Put the program's name into its line; one that is no JSON object becomes the event of one."""
    start = json.dumps({"process": name}).encode()
    if line.startswith(b"{") and line.endswith(b"}") and len(line) > 2:
        return start[:-1] + b", " + line[1:]
    return json.dumps({"process": name, "event": line.decode(errors="replace")}).encode()


def supervise(programs: Sequence[Program], *, folder: Path, directory: Path, as_json: bool = False) -> None:
    """Run these programs until SIGINT, SIGTERM or SIGHUP, restarting each that ends; then stop all, stage by stage."""
    config = folder / "supervisord.conf"
    config.write_text(configuration(programs, folder=folder, directory=directory))
    options = Options()
    options.realize(["-c", str(config), "-n"])
    options.first = True
    options.test = False
    runner = Runner(options)
    runner.as_json = as_json
    with suppress(asyncore.ExitNow):
        runner.main()
    options.close_logger()


def configuration(programs: Sequence[Program], *, folder: Path, directory: Path) -> str:
    """Write supervisord's configuration: no HTTP server, one group a stage."""
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "logfile=/dev/null",
        "logfile_maxbytes=0",
        "loglevel=warn",
        f"pidfile={_value(str(folder / 'supervisord.pid'))}",
        f"childlogdir={_value(str(folder))}",
        f"minfds={DESCRIPTORS}",
        "minprocs=1",
        "nocleanup=true",
    ]
    if os.geteuid() == 0:
        lines.append("user=root")
    for program in programs:
        lines += [
            "",
            f"[program:{program.name}]",
            f"command={_value(' '.join(_quoted(word) for word in program.command))}",
            f"directory={_value(str(directory))}",
            "autorestart=true",
            f"startsecs={STARTED_AFTER_SECONDS}",
            f"startretries={NEVER_GIVE_UP}",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            "killasgroup=true",
            "redirect_stderr=true",
            "stdout_logfile=NONE",
            "stdout_events_enabled=true",
        ]
    for stage in sorted({program.stage for program in programs}):
        members = ",".join(program.name for program in programs if program.stage == stage)
        lines += ["", f"[group:stage{stage}]", f"programs={members}", f"priority={stage}"]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _value(text: str) -> str:
    """Escape a value of the configuration; raises ValueError for what its format cannot hold."""
    if any(sign in text for sign in ("\n", " ;", " #", "\t;", "\t#")):
        raise ValueError(f"the path of the checkout must not contain a space before ; or #: {text}")
    return text.replace("%", "%%")
