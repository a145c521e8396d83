"""From a camera's FTP upload to its snapshot: server and watcher together."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

import ftplib
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cameras.choices import MediaType
from cameras.ingest.stability import Kind, kind_of
from cameras.ingest.watcher import Watcher
from cameras.models import Snapshot
from cameras.services import accept_uploads, make_ftp_password
from tests.cameras.clips import make_clip
from tests.cameras.ftp import log_in, put, serving
from tests.cameras.pictures import make_picture
from tests.cameras.test_vendors import ROWS
from tests.factories import CameraFactory
from tests.fakes.certificates import make_certificate
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # watchdog registers a folder twice where folders are made faster than it follows, and says so.
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

AT = datetime(2026, 3, 14, 21, 58, 3, 250_000)
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata"]
ONE_OF_EACH_CLIP = {suffix: make_clip(seconds=1, suffix=suffix) for suffix in (".mp4", ".mkv", ".avi")}


@contextmanager
def watching(root: Path) -> Iterator[Watcher]:
    watcher = Watcher(root, accept=accept_uploads, stable=timedelta(seconds=0.3), rescan=timedelta(seconds=1))
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
    """Give a camera that is logged in, with the watcher running."""
    settings.FTP_MIN_FREE_BYTES = 0
    CameraFactory(id="gate", folder_path="gate")
    password = make_ftp_password("gate")
    with serving() as server, watching(settings.CAMERA_ROOT):
        client = log_in(server, "gate", password)
        yield client
        client.close()


def names() -> list[str]:
    return list(Snapshot.objects.get_queryset().order_by("pk").values_list("name", flat=True))


def upload(client: ftplib.FTP, path: str, *, seed: int) -> None:
    """Send a file of the kind that the path names, a Dahua clip under its unfinished name first."""
    data = make_picture(seed) if kind_of(path) is Kind.PICTURE else ONE_OF_EACH_CLIP[Path(path).suffix]
    if "/dav/" not in path:
        put(client, path, data)
        return
    put(client, f"{path}_", data)
    client.rename(f"/{path}_", f"/{path}")


@pytest.mark.parametrize("is_secure", [False, True])
def test_every_makers_upload_gives_camera_time_and_trigger(settings: Any, tmp_path: Path, is_secure: bool) -> None:
    """Each row is a camera of its own, in a zone of its own; over TLS one row says that nothing else differs."""
    rows = dict(list(ROWS.items())[:1]) if is_secure else ROWS
    trust = None
    settings.FTP_MIN_FREE_BYTES = 0
    if is_secure:
        _, trust = make_certificate(tmp_path)
        settings.FTP_TLS_CERT, settings.FTP_TLS_KEY = tmp_path / "cert.pem", tmp_path / "key.pem"
        settings.FTP_TLS_REQUIRED = True
    zones = dict(zip(rows, itertools.cycle(ZONES), strict=False))
    ids = {maker: maker.replace(" ", "_") for maker in rows}

    with serving() as server, watching(settings.CAMERA_ROOT):
        for seed, (maker, row) in enumerate(rows.items()):
            CameraFactory(id=ids[maker], timezone=zones[maker])
            client = log_in(server, ids[maker], make_ftp_password(ids[maker]), trust=trust)
            upload(client, row.write(AT), seed=seed)
            client.quit()
        wait_until(lambda: len(names()) >= len(rows), timeout=30, what="a snapshot of each maker")

    found = {snapshot.camera_id: snapshot for snapshot in Snapshot.objects.get_all()}
    assert len(names()) == len(found) == len(rows)
    for maker, row in rows.items():
        stated = AT if row.milliseconds else AT.replace(microsecond=0)
        moment = stated.replace(tzinfo=ZoneInfo(zones[maker])).astimezone(UTC)
        is_clip = kind_of(row.write(AT)) is Kind.CLIP
        snapshot = found[ids[maker]]
        assert (snapshot.name, snapshot.captured_at, snapshot.trigger, snapshot.error, snapshot.media_type) == (
            row.write(AT), moment, row.trigger, "", MediaType.VIDEO if is_clip else MediaType.IMAGE,
        ), maker  # fmt: skip


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


def test_what_is_no_picture_is_one_failed_snapshot_each_that_says_why(camera: ftplib.FTP, settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 64 * 48
    bad = {
        "empty.jpg": (b"", "The file is empty."),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC pictures are not supported"),
        "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0heic", "HEIC pictures are not supported"),
        "moving.gif": (b"GIF89a\1\0\1\0\0\0\0;", "GIF pictures are not supported"),
        "bomb.png": (make_picture(1, size=(640, 480), format="PNG"), "The picture is too large: 640 x 480 pixels"),
        "text.jpg": (b"500 Internal Server Error", "The file is not a picture"),
        "text.mp4": (b"502 Bad Gateway", "The file is not a clip"),
        "empty.mkv": (b"", "The file is empty."),
    }
    for name, (data, _) in bad.items():
        put(camera, name, data)
    put(camera, "test.txt", b"ftp test")
    wait_until(lambda: len(names()) >= len(bad) - 1, what="a snapshot of each")
    wait_until(lambda: not list(Path(settings.CAMERA_ROOT).rglob("*.[jphgm]*")), what="an empty folder")

    found = {(snapshot.name, snapshot.state, snapshot.error) for snapshot in Snapshot.objects.get_all()}
    assert sorted(name for name, _, _ in found) == sorted(set(bad) - {"empty.mkv"}), "nothing twice is one upload"
    for name, state, error in found:
        assert state == "failed" and error.startswith(bad[name][1]), name


def test_full_disk_costs_no_snapshot_and_the_next_try_gives_one(camera: ftplib.FTP, settings: Any) -> None:
    settings.FTP_MIN_FREE_BYTES = 2**60
    with pytest.raises(ftplib.error_temp, match="452"):
        put(camera, "a.jpg", make_picture(1))
    settings.FTP_MIN_FREE_BYTES = 0
    put(camera, "a.jpg", make_picture(1))
    wait_until(lambda: names() == ["a.jpg"])
