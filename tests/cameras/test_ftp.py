"""The FTP server, with real clients over a socket."""

import contextlib
import ftplib
import socket
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.ftp import files, session
from cameras.ingest.ftp.server import remove_all_leftovers
from tests.cameras.ftp import log_in, put, serving, stored
from tests.cameras.pictures import make_picture
from tests.fakes.certificates import make_certificate
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PICTURE = make_picture(1, size=(640, 480))


def growing(home: Path) -> list[Path]:
    return list((home / ".ftp").glob("*")) if (home / ".ftp").exists() else []


def begin(ftp: ftplib.FTP, path: str, data: bytes) -> socket.socket:
    """Begin an upload and send this much of it, which the server has then taken."""
    connection = ftp.transfercmd(f"STOR {path}")
    connection.sendall(data)
    return connection


def test_picture_lands_in_the_folder_of_its_camera(ftp: ftplib.FTP, home: Path) -> None:
    assert put(ftp, "snap/MDAlarm_20260314-215803.jpg", PICTURE).startswith("226")
    assert stored(home) == {"snap/MDAlarm_20260314-215803.jpg": PICTURE}
    assert growing(home) == []


@pytest.mark.parametrize("is_passive", [True, False])
def test_active_and_passive_mode_both_work(ftp: ftplib.FTP, home: Path, is_passive: bool) -> None:
    ftp.set_pasv(is_passive)
    put(ftp, "a.jpg", PICTURE)
    assert stored(home) == {"a.jpg": PICTURE}


def test_passive_connections_keep_to_the_ports_and_the_address_of_the_settings(
    ftp_password: str, settings: Any
) -> None:
    settings.FTP_PASSIVE_PORTS, settings.FTP_MASQUERADE_ADDRESS = [50217, 50218, 50219], "192.0.2.7"
    with serving() as server:
        client = log_in(server, "gate", ftp_password)
        host, port = ftplib.parse227(client.sendcmd("PASV"))  # noqa: S321 - cameras speak it
        client.close()
    assert (host, port in settings.FTP_PASSIVE_PORTS) == ("192.0.2.7", True)


def test_ascii_mode_spoils_nothing(ftp: ftplib.FTP, home: Path) -> None:
    data = PICTURE + b"\r\n\n\r" * 100
    ftp.voidcmd("TYPE A")
    connection = ftp.transfercmd("STOR a.jpg")
    connection.sendall(data)
    connection.close()
    ftp.voidresp()
    assert stored(home) == {"a.jpg": data}


def test_folders_that_were_not_made_are_made(ftp: ftplib.FTP, home: Path) -> None:
    ftp.storbinary("STOR 2026-03-14/21/a.jpg", BytesIO(PICTURE))
    assert stored(home) == {"2026-03-14/21/a.jpg": PICTURE}


def test_camera_changes_into_the_folders_it_made(ftp: ftplib.FTP, home: Path) -> None:
    ftp.mkd("snap")
    ftp.cwd("snap")
    assert ftp.pwd() == "/snap"
    ftp.storbinary("STOR a.jpg", BytesIO(PICTURE))
    assert ftp.nlst() == ["a.jpg"]
    ftp.cwd("..")
    assert ftp.nlst() == ["snap"]
    assert stored(home) == {"snap/a.jpg": PICTURE}


def test_nothing_is_overwritten_while_it_waits(ftp: ftplib.FTP, home: Path) -> None:
    pictures = [make_picture(seed) for seed in range(4)]
    for data in pictures:
        put(ftp, "image.jpg", data)
    assert sorted(stored(home).values()) == sorted(pictures)


def test_final_name_comes_by_a_rename(ftp: ftplib.FTP, home: Path) -> None:
    put(ftp, "a.jpg.tmp", PICTURE)
    ftp.rename("a.jpg.tmp", "a.jpg")
    assert stored(home) == {"a.jpg": PICTURE}


def test_camera_may_ask_for_what_was_taken_in_meanwhile(ftp: ftplib.FTP, home: Path) -> None:
    put(ftp, "a.jpg", PICTURE)
    (home / "a.jpg").unlink()
    ftp.voidcmd("TYPE I")
    assert ftp.size("a.jpg") == len(PICTURE)
    ftp.rename("a.jpg", "b.jpg")
    ftp.delete("b.jpg")
    with pytest.raises(ftplib.error_perm, match="550"):
        ftp.delete("b.jpg")


def test_append_adds_to_what_is_there(ftp: ftplib.FTP, home: Path) -> None:
    ftp.storbinary("APPE a.jpg", BytesIO(PICTURE[:100]))
    ftp.storbinary("APPE a.jpg", BytesIO(PICTURE[100:]))
    assert stored(home) == {"a.jpg": PICTURE}


def test_resuming_is_refused_and_the_whole_file_taken(ftp: ftplib.FTP, home: Path) -> None:
    ftp.voidcmd("TYPE I")
    with pytest.raises(ftplib.error_perm, match="502"):
        ftp.sendcmd("REST 100")
    assert ftp.sendcmd("REST 0").startswith("350")
    put(ftp, "a.jpg", PICTURE)
    assert stored(home) == {"a.jpg": PICTURE}


def test_unique_store_keeps_both(ftp: ftplib.FTP, home: Path) -> None:
    for seed in (1, 2):
        ftp.storbinary("STOU", BytesIO(make_picture(seed)))
    assert len(stored(home)) == 2


# Uploads that do not end


def test_aborted_upload_leaves_nothing(ftp: ftplib.FTP, home: Path) -> None:
    connection = begin(ftp, "a.jpg", PICTURE[:1000])
    ftp.putline("ABOR")
    first = ftp.getmultiline()[:3]
    assert first == "225" or (first, ftp.getmultiline()[:3]) == ("426", "226")
    connection.close()
    wait_until(lambda: growing(home) == [])
    assert stored(home) == {}


def test_reset_connection_leaves_nothing(ftp: ftplib.FTP, home: Path) -> None:
    connection = begin(ftp, "a.jpg", PICTURE[:1000])
    wait_until(lambda: growing(home))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    with pytest.raises(ftplib.error_temp, match="426"):
        ftp.voidresp()
    assert stored(home) == {} and growing(home) == []


@pytest.mark.parametrize("control_first", [True, False])
def test_camera_that_dies_in_the_midst_leaves_nothing(ftp: ftplib.FTP, home: Path, control_first: bool) -> None:
    connection = begin(ftp, "a.jpg", PICTURE[:1000])
    wait_until(lambda: growing(home))
    ends: list[Any] = [ftp, connection] if control_first else [connection, ftp]
    if control_first:
        for end in ends:
            end.close()
        wait_until(lambda: growing(home) == [])
        assert stored(home) == {}
    else:
        # The end of the data comes with nothing else: the file is as long as the camera says. The intake judges it.
        connection.close()
        ftp.voidresp()
        assert stored(home) == {"a.jpg": PICTURE[:1000]}


def test_camera_that_hangs_up_after_the_last_byte_has_sent_its_picture(ftp: ftplib.FTP, home: Path) -> None:
    connection = begin(ftp, "a.jpg", PICTURE)
    ftp.close()
    connection.close()
    wait_until(lambda: stored(home) == {"a.jpg": PICTURE})


def test_stalled_upload_is_given_up(
    ftp_server: Any, ftp_password: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.Channel, "timeout", 0.2)
    client = log_in(ftp_server, "gate", ftp_password)
    connection = begin(client, "a.jpg", PICTURE[:1000])
    with pytest.raises(ftplib.error_temp, match="421"):
        client.voidresp()
    connection.close()
    client.close()
    assert stored(home) == {} and growing(home) == []


def test_what_a_killed_server_left_is_removed(ftp_password: str, home: Path) -> None:
    (home / ".ftp").mkdir(parents=True)
    (home / ".ftp/x.part").write_bytes(b"half")
    remove_all_leftovers()
    assert growing(home) == []


# Disk


def test_full_disk_is_told_before_the_upload(ftp: ftplib.FTP, home: Path, settings: Any) -> None:
    settings.FTP_MIN_FREE_BYTES = 2**60
    with pytest.raises(ftplib.error_temp, match="452"):
        put(ftp, "a.jpg", PICTURE)
    settings.FTP_MIN_FREE_BYTES = 0
    put(ftp, "a.jpg", PICTURE)
    assert stored(home) == {"a.jpg": PICTURE}


@pytest.mark.parametrize("is_secure", [False, True])
def test_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(
    ftp_password: str, home: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_secure: bool
) -> None:
    trust = None
    if is_secure:
        _, trust = make_certificate(tmp_path)
        settings.FTP_TLS_CERT, settings.FTP_TLS_KEY = tmp_path / "cert.pem", tmp_path / "key.pem"
    monkeypatch.setattr(files, "CHECK_SPACE_EVERY", 1000)
    checks = iter([False])
    monkeypatch.setattr(files, "is_full", lambda folder: next(checks, True))
    with serving() as server:
        client = log_in(server, "gate", ftp_password, trust=trust)
        with client.transfercmd("STOR a.jpg") as connection, contextlib.suppress(OSError):
            connection.sendall(PICTURE * 20)
        assert client.getmultiline().startswith("452")
        client.close()
        wait_until(lambda: growing(home) == [])
    assert stored(home) == {}


# TLS


@pytest.fixture
def certificate(settings: Any, tmp_path: Path) -> Path:
    _, trust = make_certificate(tmp_path)
    settings.FTP_TLS_CERT, settings.FTP_TLS_KEY = tmp_path / "cert.pem", tmp_path / "key.pem"
    return trust


def test_picture_comes_by_tls(ftp_password: str, certificate: Path, home: Path) -> None:
    with serving() as server:
        client = log_in(server, "gate", ftp_password, trust=certificate)
        assert put(client, "a.jpg", PICTURE).startswith("226")
        client.quit()
    assert stored(home) == {"a.jpg": PICTURE}


@pytest.mark.parametrize(("sent", "kept"), [(PICTURE, True), (PICTURE[:-500], False)])
def test_tls_that_ends_without_saying_so_is_an_end_for_whole_pictures_alone(
    ftp_password: str, certificate: Path, home: Path, sent: bytes, kept: bool
) -> None:
    with serving() as server:
        client = log_in(server, "gate", ftp_password, trust=certificate)
        connection = begin(client, "a.jpg", sent)
        connection.close()
        answer = client.getmultiline()
        client.close()
    assert answer[:3] == ("226" if kept else "426")
    assert stored(home) == ({"a.jpg": PICTURE} if kept else {})


def test_tls_may_be_demanded(ftp_password: str, certificate: Path, settings: Any) -> None:
    settings.FTP_TLS_REQUIRED = True
    with serving() as server, pytest.raises(ftplib.error_perm, match="550"):
        log_in(server, "gate", ftp_password)
