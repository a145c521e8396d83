"""The embedded servers, with real ones in folders of their own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from celery import Celery

from siteadmin import embedded
from siteadmin.embedded.account import account_for
from siteadmin.embedded.postgres import Postgres
from siteadmin.embedded.redis import Redis
from siteadmin.embedded.state import Endpoint, Ownership
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
ENSURE = "import sys; from pathlib import Path; from siteadmin import embedded; print({}(Path(sys.argv[1])))"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A var folder with a made and stopped database: copying it is quicker than initdb."""
    var = tmp_path_factory.mktemp("template") / "var"
    embedded.ensure_postgres(var)
    embedded.stop(var)
    return var


@pytest.fixture
def var(template: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the template, its servers stopped afterwards."""
    copy = tmp_path / "var"
    shutil.copytree(template, copy)
    yield copy
    if copy.exists():
        embedded.stop(copy)


@pytest.fixture
def empty_var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    embedded.stop(tmp_path / "var")


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def main_pid(server: embedded.Server) -> int:
    pid = server.recorded_pid()
    assert pid is not None
    return pid


def kill(server: embedded.Server) -> int:
    pid = main_pid(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what="the killed server's end")
    return pid


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_second_caller_finds_the_server_of_the_first(var: Path) -> None:
    first = embedded.ensure_postgres(var)
    pid = main_pid(Postgres(var))

    assert embedded.ensure_postgres(var) == first
    assert main_pid(Postgres(var)) == pid


def test_database_is_utf8_with_a_fixed_locale_and_an_owner_without_great_powers(var: Path) -> None:
    url = embedded.ensure_postgres(var)

    assert query(url, "SHOW server_encoding") == [("UTF8",)]
    assert query(url, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'siteadmin'") == [
        ("b", "C.UTF-8")
    ]
    assert query(url, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user") == [(False, True)]


def test_wrong_password_is_refused(var: Path) -> None:
    postgres_url, redis_url = embedded.ensure_postgres(var), embedded.ensure_redis(var)
    password = postgres_url.split(":")[2].split("@")[0]

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_url.replace(password, "wrong"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url("redis://" + redis_url.split("@")[1]).ping()


def test_servers_listen_on_loopback_alone(var: Path) -> None:
    embedded.ensure_postgres(var)
    embedded.ensure_redis(var)

    listening = {
        connection.laddr.ip
        for server in embedded.servers(var)
        for connection in psutil.Process(main_pid(server)).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_postgres_keeps_its_rows_over_kill_9_and_comes_back_at_the_same_url(var: Path) -> None:
    url = embedded.ensure_postgres(var)
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")

    kill(Postgres(var))

    assert embedded.ensure_postgres(var) == url
    assert query(url, "SELECT n FROM kept") == [(7,)]


def test_redis_keeps_its_keys_over_kill_9_and_comes_back_at_the_same_url(empty_var: Path) -> None:
    url = embedded.ensure_redis(empty_var)
    with redis.Redis.from_url(url) as client:
        client.set("kept", "7")

    kill(Redis(empty_var))

    assert embedded.ensure_redis(empty_var) == url
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"7"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_redis_comes_back_at_the_same_url_when_its_data_is_deleted(empty_var: Path) -> None:
    url = embedded.ensure_redis(empty_var)
    kill(Redis(empty_var))
    shutil.rmtree(empty_var / "redis")

    assert embedded.ensure_redis(empty_var) == url


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # Celery's own call
def test_celery_takes_the_url_as_broker_and_result_backend(empty_var: Path) -> None:
    url = embedded.ensure_redis(empty_var)
    app = Celery("probe", broker=url, backend=url, set_as_current=False)

    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1)
    app.backend.store_result("id", {"n": 7}, "SUCCESS")
    assert app.backend.get_result("id") == {"n": 7}
    app.close()
    app.backend.client.close()


def test_eight_processes_at_once_get_one_server(empty_var: Path) -> None:
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE.format("embedded.ensure_postgres"), str(empty_var)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    urls = {caller.communicate()[0] for caller in callers}

    assert [caller.returncode for caller in callers] == [0] * 8
    assert len(urls) == 1
    log = (empty_var / "log" / "postgres.log").read_text()
    assert log.count("ready to accept connections") == 1


def test_stale_pid_file_with_the_pid_of_another_program_bars_nothing(var: Path) -> None:
    url = embedded.ensure_postgres(var)
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")
    pid_file = var / "postgres" / "postmaster.pid"
    text = pid_file.read_text()
    kill(Postgres(var))
    foreign = subprocess.Popen(["sleep", "60"], **account_for(var / "postgres").popen_options())
    try:
        pid_file.write_text(text.replace(text.split("\n", 1)[0], str(foreign.pid), 1))

        assert query(embedded.ensure_postgres(var), "SELECT n FROM kept") == [(7,)]
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_long_path_works_and_puts_nothing_into_the_temporary_folder(template: Path, tmp_path: Path) -> None:
    var = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6) / "var"
    shutil.copytree(template, var)
    before = set(Path("/tmp").glob(".s.PGSQL*"))
    try:
        assert query(embedded.ensure_postgres(var), "SELECT 1") == [(1,)]
        assert set(Path("/tmp").glob(".s.PGSQL*")) == before
    finally:
        embedded.stop(var)


def test_copy_of_a_running_folder_gets_servers_of_its_own(var: Path, tmp_path: Path) -> None:
    url = embedded.ensure_redis(var)
    copy = tmp_path / "copy"
    shutil.copytree(var, copy)
    try:
        assert embedded.ensure_redis(copy) != url
        assert main_pid(Redis(copy)) != main_pid(Redis(var))
    finally:
        embedded.stop(copy)


def test_moved_folder_keeps_its_rows(var: Path, tmp_path: Path) -> None:
    query(embedded.ensure_postgres(var), "CREATE TABLE kept AS SELECT 7 AS n")
    embedded.stop(var)
    moved = var.rename(tmp_path / "moved")
    try:
        assert query(embedded.ensure_postgres(moved), "SELECT n FROM kept") == [(7,)]
    finally:
        embedded.stop(moved)


def test_lost_endpoint_file_is_made_anew(var: Path) -> None:
    query(embedded.ensure_postgres(var), "CREATE TABLE kept AS SELECT 7 AS n")
    (var / "run" / "postgres.json").unlink()

    assert query(embedded.ensure_postgres(var), "SELECT n FROM kept") == [(7,)]


def test_port_taken_by_another_program_is_given_up_for_a_free_one(empty_var: Path) -> None:
    url = embedded.ensure_redis(empty_var)
    embedded.stop(empty_var)
    taken = Endpoint.load(empty_var / "run" / "redis.json")
    assert taken is not None
    with subprocess.Popen([sys.executable, "-m", "http.server", "-b", "127.0.0.1", str(taken.port)]) as squatter:
        try:
            wait_until(lambda: psutil.Process(squatter.pid).net_connections("inet"))

            assert embedded.ensure_redis(empty_var) != url
        finally:
            squatter.kill()


def test_stop_ends_every_process(var: Path) -> None:
    embedded.ensure_postgres(var)
    embedded.ensure_redis(var)
    pids = [main_pid(server) for server in embedded.servers(var)]
    pids += [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]

    embedded.stop(var)

    assert not [pid for pid in pids if is_alive(pid)]
    assert not embedded.is_running(var)


def test_server_in_the_foreground_takes_over_from_the_one_left_behind(empty_var: Path) -> None:
    url = embedded.ensure_redis(empty_var)
    left_behind = main_pid(Redis(empty_var))
    owner = subprocess.Popen(
        [sys.executable, "-m", "siteadmin.embedded", "redis"],
        cwd=ROOT,
        env=os.environ | {"SITEADMIN_VAR": str(empty_var)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: Redis(empty_var).recorded_pid() == owner.pid and embedded.ensure_redis(empty_var) == url)
        assert not is_alive(left_behind)
    finally:
        owner.terminate()
        assert owner.wait(10) == 0


def test_nobody_but_the_owner_starts_servers_while_it_lives(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siteadmin.embedded.server.START_SECONDS", 0.2)
    empty_var.mkdir()
    ownership = Ownership(empty_var)
    assert ownership.take()
    try:
        with pytest.raises(embedded.EmbeddedError, match="running site"):
            embedded.ensure_redis(empty_var)
        assert not Ownership(empty_var).take()
    finally:
        ownership.release()


def test_throwaway_lends_servers_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = "import os; print(os.environ['SITEADMIN_VAR'], os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    run = subprocess.run(
        [sys.executable, "-m", "siteadmin.embedded", "throwaway", "--", sys.executable, "-c", code + "; exit(7)"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 7, run.stderr
    var, postgres_url, redis_url = run.stdout.split()
    assert Path(var).is_relative_to(temporary)
    assert list(temporary.iterdir()) == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(redis_url).ping()
