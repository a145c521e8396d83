"""The whole product: pictures in any order and by any number of workers, a dead detector, a backlog, FTP over TLS."""

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests import footage
from tests.cameras.ftp import log_in_at
from tests.cameras.pictures import make_picture
from tests.fakes.certificates import make_certificate
from tests.fakes.http_server import HttpServer
from tests.product import ROOT, Product, free_port, running_product
from tests.waiting import wait_until

WITHIN = 90.0
BURST = 60
BACKLOG = 60
PACE_SECONDS = 0.1


@dataclass
class Detector:
    """A detector elsewhere, as a process that can be killed."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, delay: float = 0.0) -> None:
        """Start it and wait until it listens; an answer takes so many seconds."""
        command = [sys.executable, "-m", "tests.fakes.detector_server", str(self.port), str(delay)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        wait_until(self._is_listening, timeout=WITHIN)

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class Site:
    """A running product, its detector and a key of an operator."""

    product: Product
    detector: Detector
    ftp_port: int
    certificate: Path
    key: str

    def add_camera(self, name: str, **fields: Any) -> None:
        """Make a camera."""
        status, body = self.product.request("POST", "/api/cameras", key=self.key, body={"name": name, **fields})
        assert status == 201, body

    def drop(self, camera: str, name: str, data: bytes) -> None:
        """Move a whole picture into a camera's folder."""
        staged = self.product.var / f"{camera}-{name}.part"
        staged.write_bytes(data)
        folder = self.product.camera_root / camera / "snap"
        folder.mkdir(parents=True, exist_ok=True)
        staged.rename(folder / name)

    def count(self, camera: str, state: str = "detected") -> int:
        """Count a camera's snapshots in this state."""
        query = "SELECT count(*) FROM cameras_snapshot WHERE camera_id = %s AND state = %s"
        return int(self.product.rows(query, camera, state)[0][0])

    def status(self) -> dict[str, Any]:
        """Read /api/system/status."""
        status, body = self.product.request("GET", "/api/system/status", key=self.key)
        assert status == 200, body
        return dict(body)

    def breaker(self) -> str:
        """Give the position of the detector's breaker as the status tells it."""
        found = [one["position"] for one in self.status()["breakers"]["breakers"] if one["name"] == "detector:http"]
        return str(found[0]) if found else "closed"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give one product for all of these; its detector is a process of its own."""
    folder = tmp_path_factory.mktemp("tls")
    _, certificate = make_certificate(folder)
    detector, ftp_port = Detector(free_port()), free_port()
    settings = {
        "DETECTOR": "http",
        "DETECTOR_URL": f"http://127.0.0.1:{detector.port}",
        "DETECTOR_TIMEOUT_SECONDS": "5",
        "BREAKER_COOL_OFF_SECONDS": "2",
        "BATCH_WINDOW_SECONDS": "300",
        "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
        "FTP_PORT": str(ftp_port),
        "FTP_BIND": "127.0.0.1",
        "FTP_MIN_FREE_BYTES": "0",
        "FTP_TLS_CERT": str(folder / "cert.pem"),
        "FTP_TLS_KEY": str(folder / "key.pem"),
        "FTP_TLS_REQUIRED": "1",
    }
    detector.start()
    try:
        with running_product(**settings) as product:
            yield Site(product, detector, ftp_port, certificate, product.api_key("operator"))
    finally:
        detector.kill()


@contextlib.contextmanager
def two_more_workers(site: Site) -> Iterator[None]:
    """Run two worker processes beside the product's own two."""
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "siteadmin", "worker", "-Q", "detect", "--pool=solo"]
    environ = site.product.environ
    workers = [
        subprocess.Popen([*celery, "-n", f"further{n}@%h"], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL)
        for n in range(2)
    ]
    try:
        wait_until(lambda: len(further_workers(site)) == 2, timeout=WITHIN, what="two more workers")
        yield
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(timeout=WITHIN)


def further_workers(site: Site) -> list[str]:
    """Give the names of the workers that were started beside the product's own."""
    return [one["name"] for one in site.status()["workers"]["workers"] if one["name"].startswith("further")]


def seen_on(site: Site, camera: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Give the camera's events and its detections, without what names the camera or counts rows."""
    events = site.product.rows(
        """SELECT started_at, ended_at, detection_count, risk_score, object_types FROM events_event
           WHERE camera_id = %s AND merged_into_id IS NULL AND deleted_at IS NULL""",
        camera,
    )
    detections = site.product.rows(
        """SELECT s.name, d.detected_at, d.object_type, d.x, d.y, d.width, d.height, d.confidence, e.merged_into_id
           FROM events_detection d
           JOIN cameras_snapshot s ON s.id = d.snapshot_id JOIN events_event e ON e.id = d.event_id
           WHERE d.camera_id = %s ORDER BY 1, 2, 3, 4, 5, 6, 7""",
        camera,
    )
    return events, detections


def test_forty_pictures_in_order_shuffled_and_by_four_workers_at_once_make_the_same_event(site: Site) -> None:
    pictures = footage.pictures()
    for camera in ("ordered", "shuffled", "at_once"):
        site.add_camera(camera, detector="opencv")

    for number, (name, data) in enumerate(pictures.items(), start=1):
        site.drop("ordered", name, data)
        wait_until(lambda number=number: site.count("ordered") == number, timeout=WITHIN)

    names = list(pictures)
    random.Random(7).shuffle(names)
    for name in names:
        site.drop("shuffled", name, pictures[name])
    wait_until(lambda: site.count("shuffled") == len(pictures), timeout=WITHIN)

    with two_more_workers(site):
        for name, data in pictures.items():
            site.drop("at_once", name, data)
        wait_until(lambda: site.count("at_once") == len(pictures), timeout=WITHIN)

    events, detections = seen_on(site, "ordered")
    assert len(events) == 1
    assert len({name for name, *_ in detections}) > len(pictures) / 2
    assert seen_on(site, "shuffled") == (events, detections)
    assert seen_on(site, "at_once") == (events, detections)


def test_detector_killed_under_load_costs_no_picture_and_its_breaker_is_seen_open_and_closed(site: Site) -> None:
    site.add_camera("load")
    seen = [site.breaker()]

    def send() -> None:
        for number in range(BURST):
            site.drop("load", f"{number}.jpg", footage.draw(number))
            pause.wait(PACE_SECONDS)

    pause = threading.Event()
    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: site.count("load") > 5, timeout=WITHIN)
    site.detector.kill()
    wait_until(lambda: site.breaker() == "open", timeout=WITHIN)
    seen.append("open")
    status = site.status()
    assert (status["state"], status["detector"]["state"]) == ("down", "down")
    assert "refused" in status["detector"]["reason"]
    sender.join()
    assert site.count("load") < BURST

    site.detector.start()
    wait_until(lambda: site.count("load") == BURST, timeout=WITHIN, what="all pictures detected")
    seen.append(site.breaker())

    assert seen == ["closed", "open", "closed"]
    assert site.status()["queues"]["dead_letters"] == 0
    query = "SELECT count(*), count(DISTINCT snapshot_id) FROM events_detection WHERE camera_id = 'load'"
    assert site.product.rows(query) == [(BURST, BURST)]


def test_a_live_picture_does_not_wait_for_a_backlog_which_is_worked_off_all_the_same(site: Site) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with HttpServer() as receiver:
        channel = {"name": "receiver", "kind": "webhook", "config": {"url": receiver.url}}
        _, made = site.product.request("POST", "/api/channels", key=site.key, body=channel)
        for camera in ("shed", "door"):
            site.add_camera(camera)
        rule = {"name": "both", "camera_ids": ["shed", "door"], "cooldown_seconds": 0, "channel_ids": [made["id"]]}
        status, body = site.product.request("POST", "/api/alert-rules", key=site.key, body=rule)
        assert status == 201, body
        site.detector.kill()
        site.detector.start(delay=0.25)

        for number in range(BACKLOG):
            at = f"{yesterday + timedelta(seconds=number):%Y%m%d-%H%M%S}"
            site.drop("shed", f"MDAlarm_{at}.jpg", make_picture(number, size=(320, 320)))
        wait_until(lambda: site.count("shed") >= 5, timeout=WITHIN, what="the backlog's first")
        site.drop("door", "picture.jpg", make_picture(4711, size=(320, 320)))

        (told,) = receiver.wait_for(1, timeout=30)
        assert json.loads(told.body)["data"]["camera"]["id"] == "door"
        wait_until(lambda: site.count("shed") == BACKLOG, timeout=WITHIN, what="the backlog")
        query = """SELECT count(*) FROM events_detection WHERE camera_id = 'shed'
                   AND id < (SELECT id FROM events_detection WHERE camera_id = 'door')"""
        assert site.product.rows(query)[0][0] < BACKLOG / 2, "most of the backlog was looked at before it"
        assert len(receiver.requests) == 1, "what comes late is told to nobody"


def test_picture_sent_by_ftp_over_tls_becomes_an_event(site: Site) -> None:
    site.add_camera("gate")
    _, login = site.product.request("POST", "/api/cameras/gate/ftp-password", key=site.key)

    client = log_in_at(site.ftp_port, login["user"], login["password"], trust=site.certificate)
    client.storbinary("STOR 2026-03-14/21-58-03.jpg", BytesIO(footage.draw(1)))
    client.quit()

    wait_until(lambda: site.count("gate") == 1, timeout=WITHIN)
    _, events = site.product.request("GET", "/api/events?camera=gate", key=site.key)
    assert [(one["started_at"], one["object_types"]) for one in events["results"]] == [
        ("2026-03-14T21:58:03Z", ["person"])
    ]


def test_stopping_leaves_no_process_behind(site: Site) -> None:
    """The last one: nothing runs afterwards."""
    assert site.product.stop() == []
