"""The FTP server as a process, and how cameras get their passwords."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from cameras.models import Camera
from cameras.services import make_ftp_password
from siteadmin.settings.env import Env
from siteadmin.supervise.programs import Site, programs_of
from tests.cameras.ftp import log_in_at, put
from tests.cameras.pictures import make_picture
from tests.cameras.test_admin import FORM
from tests.factories import CameraFactory, UserFactory
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.django_db(transaction=True)
def test_process_takes_a_picture_and_stops_on_sigterm(settings: Any) -> None:
    CameraFactory(id="gate", folder_path="gate")
    password = make_ftp_password("gate")
    port = free_port()
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
    environ = {
        **os.environ,
        "DATABASE_URL": database.geturl(),
        "CAMERA_ROOT": str(settings.CAMERA_ROOT),
        "FTP_PORT": str(port),
        "FTP_BIND": "127.0.0.1",
        "FTP_MIN_FREE_BYTES": "0",
    }
    half = settings.CAMERA_ROOT / "gate/.ftp/x.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    process = subprocess.Popen([sys.executable, "manage.py", "ftpd"], cwd=ROOT, env=environ)
    try:
        wait_until(lambda: is_open(port), timeout=30)
        client = log_in_at(port, "gate", password)
        put(client, "a.jpg", make_picture(1))
        client.close()
        assert (settings.CAMERA_ROOT / "gate/a.jpg").exists()
        assert not half.exists()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_without_a_port_or_with_a_taken_one_it_says_so(settings: Any, db: None) -> None:
    with pytest.raises(CommandError, match="FTP_PORT is not set"):
        call_command("ftpd")
    settings.FTP_BIND = "127.0.0.1"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings.FTP_PORT = taken.getsockname()[1]
        with pytest.raises(CommandError, match="cannot be had"):
            call_command("ftpd")


@pytest.mark.parametrize("takes_ftp", [True, False])
def test_supervisor_runs_it_where_a_port_is_set(tmp_path: Path, takes_ftp: bool) -> None:
    site = Site(
        var=tmp_path,
        host="127.0.0.1",
        port=8000,
        has_embedded_postgres=True,
        has_embedded_redis=True,
        takes_ftp=takes_ftp,
    )
    assert ("ftpd" in [program.name for program in programs_of(site)]) == takes_ftp


def test_passive_ports_and_address_are_read() -> None:
    env = Env({"P": "50000-50002", "A": "192.168.1.5"}, dotenv=None)
    assert (env.port_range("P"), env.port_range("X")) == ([50000, 50001, 50002], [])
    assert (env.ipv4("A"), env.ipv4("X")) == ("192.168.1.5", "")


@pytest.mark.parametrize("value", ["50002-50000", "80-90", "x", "50000-70000"])
def test_bad_ports_are_refused_by_name(value: str) -> None:
    with pytest.raises(Exception, match="P takes ports"):
        Env({"P": value}, dotenv=None).port_range("P")


@pytest.mark.django_db
def test_api_makes_a_password_and_shows_it_once(key_client: Any) -> None:
    CameraFactory(id="gate")
    answer = key_client("operator").post("/api/cameras/gate/ftp-password")
    assert answer.status_code == 200, answer.content
    assert answer.json()["user"] == "gate" and len(answer.json()["password"]) == 16
    assert answer["Cache-Control"] == "no-store"
    assert "password" not in key_client("admin").get("/api/cameras/gate").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "reviewer", "uploader"])
def test_only_operators_make_passwords(key_client: Any, role: str) -> None:
    CameraFactory(id="gate")
    assert key_client(role).post("/api/cameras/gate/ftp-password").status_code == 403
    assert key_client("operator", cameras=("yard",)).post("/api/cameras/gate/ftp-password").status_code == 404


@pytest.mark.django_db
def test_button_on_the_page_makes_a_password(client: Client) -> None:
    CameraFactory(id="gate", name="Gate", folder_path="gate")
    client.force_login(UserFactory(is_superuser=True))
    body = FORM | {"name": "Gate", "folder_path": "gate", "cameras_camera_make_ftp_password": "1"}
    page = client.post("/admin/cameras/camera/gate/change/", body, follow=True)
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None and camera.ftp_password
    assert "FTP user gate, password" in page.content.decode()
