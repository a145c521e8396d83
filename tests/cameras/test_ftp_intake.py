"""From a camera's FTP upload to its snapshot: server and watcher together."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

import ftplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cameras.ingest.stability import Kind, kind_of
from cameras.ingest.watcher import Watcher
from cameras.models import Snapshot
from cameras.results import IntakeResult
from cameras.services import accept_upload, make_ftp_password
from tests.cameras.ftp import log_in, put, serving
from tests.cameras.pictures import make_picture
from tests.cameras.test_vendors import ROWS
from tests.factories import CameraFactory
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # watchdog registers a folder twice where folders are made faster than it follows, and says so.
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

AT = datetime(2026, 3, 14, 21, 58, 3, 250_000)
PICTURES = {name: row for name, row in ROWS.items() if kind_of(row.write(AT)) is Kind.PICTURE}


@contextmanager
def watching(root: Path) -> Iterator[Watcher]:
    def accept(path: Path, final: bool) -> IntakeResult:
        return accept_upload(path, final=final)

    watcher = Watcher(root, accept=accept, stable=timedelta(seconds=0.3), rescan=timedelta(seconds=1))
    stop = threading.Event()
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: watcher.is_watching)
        yield watcher
    finally:
        stop.set()
        thread.join(timeout=20)


@pytest.fixture
def camera(settings: Any) -> Iterator[ftplib.FTP]:
    """Give a camera in Berlin that is logged in, with the watcher running."""
    settings.FTP_MIN_FREE_BYTES = 0
    CameraFactory(id="gate", folder_path="gate", timezone="Europe/Berlin")
    password = make_ftp_password("gate")
    with serving() as server, watching(settings.CAMERA_ROOT):
        client = log_in(server, "gate", password)
        yield client
        client.close()


def names() -> list[str]:
    return list(Snapshot.objects.get_queryset().order_by("pk").values_list("name", flat=True))


def test_every_makers_upload_gives_camera_time_and_trigger(camera: ftplib.FTP) -> None:
    for seed, row in enumerate(PICTURES.values()):
        put(camera, row.write(AT), make_picture(seed))
    wait_until(lambda: len(names()) >= len(PICTURES), timeout=20, what="all pictures")

    found = {snapshot.name: snapshot for snapshot in Snapshot.objects.get_all()}
    assert len(found) == len(PICTURES)
    for maker, row in PICTURES.items():
        snapshot = found[row.write(AT)]
        stated = AT if row.milliseconds else AT.replace(microsecond=0)
        moment = stated.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        facts = (snapshot.camera_id, snapshot.captured_at, snapshot.trigger, snapshot.error)
        assert facts == ("gate", moment, row.trigger, ""), maker


def test_fixed_name_overwritten_fifty_times_is_fifty_snapshots(camera: ftplib.FTP) -> None:
    for seed in range(50):
        put(camera, "image.jpg", make_picture(seed))
    wait_until(lambda: len(names()) >= 50, timeout=20, what="50 snapshots")
    assert names() == ["image.jpg"] * 50


def test_everything_sent_again_adds_nothing(camera: ftplib.FTP, settings: Any) -> None:
    for _ in range(2):
        for seed in range(10):
            put(camera, f"snap/MDAlarm_20260314-2158{seed:02d}.jpg", make_picture(seed))
    wait_until(lambda: not list(Path(settings.CAMERA_ROOT).rglob("*.jpg")), timeout=20, what="an empty folder")
    assert len(names()) == 10


def test_truncated_upload_is_one_failed_snapshot_and_an_aborted_one_none(camera: ftplib.FTP, settings: Any) -> None:
    data = make_picture(1, size=(640, 480))
    camera.voidcmd("TYPE I")
    connection = camera.transfercmd("STOR aborted.jpg")
    connection.sendall(data[:1000])
    camera.putline("ABOR")
    if camera.getmultiline().startswith("426"):
        camera.getmultiline()
    connection.close()

    camera.storbinary("STOR cut.jpg", BytesIO(data[:-200]))
    camera.storbinary("STOR whole.jpg", BytesIO(data))

    wait_until(lambda: len(names()) >= 2, what="two snapshots")
    wait_until(lambda: not list(Path(settings.CAMERA_ROOT).rglob("*.[jp]*")), what="an empty folder")
    states = {snapshot.name: snapshot.state for snapshot in Snapshot.objects.get_all()}
    assert states == {"cut.jpg": "failed", "whole.jpg": "received"}


def test_full_disk_costs_no_snapshot_and_the_next_try_gives_one(camera: ftplib.FTP, settings: Any) -> None:
    settings.FTP_MIN_FREE_BYTES = 2**60
    with pytest.raises(ftplib.error_temp, match="452"):
        put(camera, "a.jpg", make_picture(1))
    settings.FTP_MIN_FREE_BYTES = 0
    put(camera, "a.jpg", make_picture(1))
    wait_until(lambda: names() == ["a.jpg"])
