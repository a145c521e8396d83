"""The supervisor, with a small table of real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from celery import Celery

from siteadmin.core.pipeline import Step
from siteadmin.supervise.beat import Scheduler
from siteadmin.supervise.programs import YIELDING_NICENESS, Program, Site, programs_of
from siteadmin.supervise.runner import configuration
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
# Each program writes its pid and its child's, so that a test can find both.
PARENT = "import os,subprocess,sys,time; c=subprocess.Popen(['sleep','600']); \
open(sys.argv[1],'w').write(f'{os.getpid()} {c.pid}'); print('up', flush=True); time.sleep(600)"
TABLE = """
import sys
from pathlib import Path
from siteadmin.supervise.beat import Scheduler
from siteadmin.supervise.programs import Program
from siteadmin.supervise.runner import supervise
folder = Path(sys.argv[1])
def parent(name, stage):
    return Program(name=name, command=[sys.executable, "-c", {parent!r}, str(folder / name)], stage=stage)
stopped = "import signal,sys,time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('stopped', flush=True))); \
print('up', flush=True); time.sleep(600)"
supervise(
    [
        Program(name="first", command=[sys.executable, "-c", stopped], stage=1),
        parent("second", 10),
        parent("it's 100% odd", 10) if False else parent("third", 10),
        Program(name="failing", command=["false"], stage=10),
    ],
    folder=folder, directory=folder,
)
"""


class Supervised:
    """A running supervisor over the table above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", TABLE.format(parent=PARENT), str(folder)],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def pids(self, name: str) -> list[int]:
        """Give the pid of a program and of its child, once both run."""

        def read() -> list[int]:
            try:
                found = [int(word) for word in (self.folder / name).read_text().split()]
            except FileNotFoundError:
                return []
            return found if len(found) == 2 and all(is_alive(pid) for pid in found) else []

        return wait_until(read, timeout=15, message=lambda: self.log.read_text())

    def family(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    running = Supervised(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
    running.process.wait(30)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def site(tmp_path: Path, *, postgres: bool = True, redis: bool = True, host: str = "127.0.0.1") -> Site:
    return Site(var=tmp_path, host=host, port=8000, has_embedded_postgres=postgres, has_embedded_redis=redis)


def test_killed_program_is_back_within_5_seconds_and_the_others_run_on(supervised: Supervised) -> None:
    killed, orphan = supervised.pids("second")
    others = supervised.pids("third")
    os.kill(killed, signal.SIGKILL)
    started = time.monotonic()

    wait_until(lambda: not is_alive(killed))
    assert supervised.pids("second")[0] != killed
    assert time.monotonic() - started < 5
    assert not is_alive(orphan)
    assert supervised.pids("third") == others


def test_term_stops_stage_by_stage_and_leaves_no_process(supervised: Supervised) -> None:
    supervised.pids("second")
    supervised.pids("third")
    wait_until(lambda: "first    | up" in supervised.log.read_text())
    family = supervised.family()

    supervised.process.terminate()

    assert supervised.process.wait(20) == 0
    assert not [pid for pid in family if is_alive(pid)]
    assert supervised.log.read_text().rstrip().splitlines()[-1] == "first    | stopped"


def test_kill_9_of_the_supervisor_takes_its_programs_with_it(supervised: Supervised) -> None:
    leaders = [supervised.pids("second")[0], supervised.pids("third")[0]]

    supervised.process.kill()

    wait_until(lambda: not any(is_alive(pid) for pid in leaders), what="the programs' end")
    for name in ("second", "third"):
        os.kill(int((supervised.folder / name).read_text().split()[1]), signal.SIGKILL)


def test_failing_program_is_tried_again_and_never_given_up(supervised: Supervised) -> None:
    def failures() -> int:
        return supervised.log.read_text().count("exited: failing")

    wait_until(lambda: failures() >= 3, timeout=15, what="three attempts")
    assert "FATAL" not in supervised.log.read_text()


def test_databases_come_first_and_so_stop_last(tmp_path: Path) -> None:
    table = programs_of(site(tmp_path))

    assert [program.name for program in table[:2]] == ["postgres", "redis"]
    assert table[0].stage < table[1].stage < min(program.stage for program in table[2:])


def test_server_outside_is_not_supervised(tmp_path: Path) -> None:
    table = programs_of(site(tmp_path, postgres=False, redis=False))

    assert {program.name for program in table}.isdisjoint({"postgres", "redis"})


@pytest.mark.parametrize("asks_services", [True, False])
def test_every_queue_is_listened_to_by_one_worker(tmp_path: Path, asks_services: bool) -> None:
    commands = [list(one.command) for one in programs_of(replace(site(tmp_path), asks_services=asks_services))]
    queues = [command[command.index("-Q") + 1].split(",") for command in commands if "-Q" in command]

    assert sorted(sum(queues, [])) == sorted([*(step.queue for step in Step), "celery"])
    assert (["admit", "detect"] in queues) == asks_services, "a slow service has a worker of its own"


def test_detection_alone_yields_the_processor_to_the_others(tmp_path: Path) -> None:
    table = programs_of(replace(site(tmp_path), takes_ftp=True, asks_services=True))

    assert [program.name for program in table if "nice" in program.command] == ["pipeline"]


def test_a_program_that_yields_runs_at_its_niceness_and_is_its_own_process(tmp_path: Path) -> None:
    command = next(program.command for program in programs_of(site(tmp_path)) if program.name == "pipeline")
    prefix = list(command[: command.index(sys.executable)])
    with subprocess.Popen([*prefix, "sleep", "600"]) as process:
        started = psutil.Process(process.pid)
        wait_until(lambda: started.name() == "sleep")
        niceness = started.nice()
        process.kill()

    assert niceness == os.nice(0) + YIELDING_NICENESS


def test_configuration_refuses_what_its_format_would_cut(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not contain"):
        configuration([Program(name="x", command=["a #b"])], folder=tmp_path, directory=tmp_path)


def test_supervised_commands_take_quotes_and_percent_signs(tmp_path: Path) -> None:
    text = configuration([Program(name="x", command=["it's", "100%h"])], folder=tmp_path, directory=tmp_path)

    assert """command='it'"'"'s' '100%%h'""" in text


@pytest.mark.parametrize("garbage", [b"", b"\x80\x05garbage" * 100])
def test_spoilt_schedule_file_does_not_stop_beat(tmp_path: Path, garbage: bytes) -> None:
    app = Celery("probe", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": 60}}
    file = str(tmp_path / "schedule")
    Scheduler(app, schedule_filename=file).close()
    written = [path for path in tmp_path.glob("schedule*") if path.suffix not in {".bak", ".dir"}]
    for path in written:
        path.write_bytes(garbage)

    scheduler = Scheduler(app, schedule_filename=file)

    assert written
    assert "sweep" in scheduler.schedule
    scheduler.close()


def run_site(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "siteadmin.supervise"],
        cwd=ROOT,
        env=os.environ | {"SITEADMIN_VAR": str(tmp_path / "var")} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run = run_site(tmp_path, PORT=str(listener.getsockname()[1]))

    assert run.returncode == 2
    assert run.stderr.startswith("siteadmin: PORT ")
    assert run.stderr.count("\n") == 1


def test_bad_setting_is_one_line_that_names_it(tmp_path: Path) -> None:
    run = run_site(tmp_path, PORT="eighty")

    assert run.returncode == 2
    assert run.stderr.startswith("siteadmin: PORT takes ")
    assert run.stderr.count("\n") == 1
