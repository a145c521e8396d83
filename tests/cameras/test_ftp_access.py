"""Who may do what at the FTP server, with real clients over a socket."""

import contextlib
import ftplib
import socket
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cameras.ingest.ftp import session
from cameras.ingest.ftp.accounts import FAILURES_OF_A_USER, FAILURES_OF_AN_ADDRESS, Throttle
from cameras.models import Camera
from cameras.services import delete_camera, make_ftp_password, remove_ftp_password
from tests.cameras.ftp import log_in, put, serving, stored
from tests.cameras.pictures import make_picture
from tests.factories import CameraFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PICTURE = make_picture(1, size=(640, 480))


# Who may come in


def test_wrong_password_unknown_camera_and_no_password_are_refused(ftp_server: Any, ftp_password: str) -> None:
    CameraFactory(id="yard")
    for user, word in (("gate", "wrong"), ("gate", ""), ("nobody", ftp_password), ("yard", ""), ("anonymous", "a@b")):
        with pytest.raises(ftplib.error_perm, match="530"):
            log_in(ftp_server, user, word)


def test_deleted_camera_and_withdrawn_password_are_refused_also_in_a_session(
    ftp_server: Any, ftp: ftplib.FTP, ftp_password: str, home: Path
) -> None:
    remove_ftp_password("gate")
    with pytest.raises(ftplib.error_perm, match="530"):
        put(ftp, "a.jpg", PICTURE)
    with pytest.raises(ftplib.error_perm, match="530"):
        log_in(ftp_server, "gate", ftp_password)
    renewed = make_ftp_password("gate")
    log_in(ftp_server, "gate", renewed).close()
    delete_camera("gate")
    with pytest.raises(ftplib.error_perm, match="530"):
        log_in(ftp_server, "gate", renewed)
    assert stored(home) == {}


def test_password_is_kept_hashed(ftp_password: str) -> None:
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None and ftp_password not in camera.ftp_password and len(ftp_password) == 16


def test_who_keeps_guessing_is_turned_away(ftp_server: Any, ftp_password: str) -> None:
    for _ in range(FAILURES_OF_A_USER):
        with pytest.raises(ftplib.error_perm, match="530"):
            log_in(ftp_server, "gate", "wrong")
    with pytest.raises(ftplib.error_perm, match="Too many"):
        log_in(ftp_server, "gate", ftp_password)
    CameraFactory(id="yard")
    log_in(ftp_server, "yard", make_ftp_password("yard")).close()


def test_address_that_guesses_many_names_is_barred(ftp_server: Any, ftp_password: str) -> None:
    for _ in range(FAILURES_OF_AN_ADDRESS):
        ftp_server.handler.authorizer.throttle.note(("127.0.0.1",), now=time.monotonic())
    with pytest.raises((ftplib.error_temp, EOFError), match="421"):
        log_in(ftp_server, "gate", ftp_password)


def test_failures_are_forgotten_with_time() -> None:
    throttle = Throttle()
    throttle.note(("a",), now=0.0)
    assert (throttle.count(("a",), now=599.0), throttle.count(("a",), now=601.0)) == (1, 0)


def test_connections_of_an_address_are_limited(ftp_password: str, settings: Any) -> None:
    settings.FTP_MAX_CONNECTIONS_PER_ADDRESS = 2
    with serving() as server:
        kept = [log_in(server, "gate", ftp_password) for _ in range(2)]
        with pytest.raises((ftplib.error_temp, EOFError), match="421"):
            log_in(server, "gate", ftp_password)
        kept[0].quit()
        wait_until(lambda: len(server.ip_map) == 1)
        log_in(server, "gate", ftp_password).close()
        kept[1].close()


# Nothing but its own folder


@pytest.mark.parametrize(
    "path",
    ["../../out.jpg", "/../../../out.jpg", "a/../../../out.jpg", "link/out.jpg", ".ftp/x.jpg", "x" * 300 + ".jpg"],
)
def test_no_path_leads_out(ftp: ftplib.FTP, home: Path, settings: Any, tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (home / "link").symlink_to(outside)
    try:
        ftp.storbinary(f"STOR {path}", BytesIO(PICTURE))
    except ftplib.Error as error:
        assert str(error)[:3] in ("550", "451")
    assert not list(outside.iterdir())
    elsewhere = [found for found in Path(settings.CAMERA_ROOT).rglob("*.jpg") if not found.is_relative_to(home)]
    assert elsewhere == []
    assert not list(tmp_path.glob("*.jpg"))


def test_nothing_is_given_out_or_removed_by_folder(ftp: ftplib.FTP, home: Path) -> None:
    put(ftp, "snap/a.jpg", PICTURE)
    with pytest.raises(ftplib.error_perm):
        ftp.retrbinary("RETR snap/a.jpg", lambda data: None)
    with pytest.raises(ftplib.error_perm):
        ftp.rmd("snap")
    assert stored(home) == {"snap/a.jpg": PICTURE}


VERBS = sorted(session.Session.proto_cmds) + ["RETR", "RMD", "NONE", ""]
ARGUMENTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["..", "/", "../../x.jpg", "a\x00b", ".ftp/x", "-al", "1,2,3,4,5", "|1|127.0.0.1|1|", "~", "a" * 300]
    ),
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(VERBS), ARGUMENTS), min_size=1, max_size=8), st.binary(max_size=60))
def test_any_commands_leave_the_server_standing(
    ftp_server: Any, ftp_password: str, home: Path, commands: list[tuple[str, str]], noise: bytes
) -> None:
    # It may hang up on nonsense before it has heard all of it.
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", ftp_server.address[1]), timeout=5) as raw,
    ):
        raw.sendall(f"USER gate\r\nPASS {ftp_password}\r\n".encode())
        for verb, argument in commands:
            if verb != "PASS":  # a wrong one costs its time
                raw.sendall(f"{verb} {argument}\r\n".encode("utf-8", "surrogatepass"))
        raw.sendall(noise + b"\r\nQUIT\r\n")
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65536):
            pass
    with socket.create_connection(("127.0.0.1", ftp_server.address[1]), timeout=5) as again:
        assert again.recv(100).startswith(b"220")
    assert not [path for path in home.parent.parent.rglob("*") if path.is_file() and not path.is_relative_to(home)]
