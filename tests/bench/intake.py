"""Taking in: pictures as fast as they come, thousands of files at the start, 100,000 detections from elsewhere.

Pictures are of 100 kB (1280x720), each unlike every other. Two cores do all of it: taking in, detection, rules.
BENCH_BACKLOG sets the size of the backlog, so that memory can be compared.
"""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
from PIL import Image

from tests.bench.latency import percentile
from tests.bench.processor import cpu_seconds, name_of
from tests.fakes.http_server import HttpServer
from tests.product import Product, running_product
from tests.waiting import wait_until

Figures = dict[str, float | int | str]
PICTURE_BYTES = 100_000
PICTURES = 1_000
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "5000"))
BACKLOG_AGE = timedelta(hours=2)
LIVE_EVERY = 0.5
"""Seconds between live pictures, each to a camera of its own."""
LIVE_AT_LEAST, LIVE_AT_MOST = 60, 1_000
LOOK_EVERY = 0.25
CAMERAS = 4
DETECTIONS, A_CALL = 100_000, 1_000
INSTANT = "tests.fakes.detectors.InstantDetector"


def intake() -> Figures:
    """Pictures a second from the folder to the stored snapshot, all moved in as fast as can be."""
    with running_product(DETECTOR=INSTANT) as product, _Database(product) as database:
        staged = _stage(product.var / "staging", PICTURES)
        for camera in range(CAMERAS):
            (product.camera_root / f"camera_{camera}").mkdir(parents=True)
        before, began = cpu_seconds(product), time.monotonic()
        for number, path in enumerate(staged):
            path.rename(product.camera_root / f"camera_{number % CAMERAS}" / path.name)
        stored = database.seconds_until("true", PICTURES, since=began)
        taken = cpu_seconds(product)
        detected = database.seconds_until("state = 'detected'", PICTURES, since=began)
        whole = cpu_seconds(product)
    figures: Figures = {"pictures": PICTURES, "stored/s": PICTURES / stored, "detected/s": PICTURES / detected}
    for name, seconds in sorted(taken.items()):
        figures[f"CPU ms to stored, {name}"] = (seconds - before.get(name, 0)) / PICTURES * 1000
    for name, seconds in sorted(whole.items()):
        figures[f"CPU ms in all, {name}"] = (seconds - before.get(name, 0)) / PICTURES * 1000
    return figures


def backlog_instant() -> Figures:
    """A backlog at the start, and live pictures meanwhile, with a detector that answers at once."""
    return _backlog(detector=INSTANT, to_the_end=True)


def backlog_opencv() -> Figures:
    """The same with the built-in detector, to which the backlog is work for minutes; they are not waited for."""
    return _backlog(detector="opencv", to_the_end=False)


def _backlog(*, detector: str, to_the_end: bool) -> Figures:
    figures: Figures = {"backlog": BACKLOG}
    with (
        HttpServer() as receiver,
        running_product(before=_fill, DETECTOR=detector, OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8") as product,
        _Database(product) as database,
        _Feeder(product) as feeder,
    ):
        began = time.monotonic()
        _tell(product, receiver.url)
        feeder.start()
        figures["stored/s"] = BACKLOG / database.seconds_until("camera_id LIKE 'old%'", BACKLOG, since=began)
        if to_the_end:
            done = "camera_id LIKE 'old%' AND state = 'detected'"
            figures["detected/s"] = BACKLOG / database.seconds_until(done, BACKLOG, since=began)
        wait_until(lambda: len(feeder.moved) >= LIVE_AT_LEAST, timeout=600)
        feeder.stop()
        wait_until(lambda: len(_told(receiver)) == len(feeder.moved), timeout=1800)
        stages = {
            "stored": database.times("SELECT camera_id, received_at FROM cameras_snapshot"),
            "detected": database.times("SELECT camera_id, created_at FROM events_detection"),
            "told": _told(receiver),
        }
        peaks = _peaks(product)
    figures["live pictures"] = len(feeder.moved)
    for stage, times in stages.items():
        waits = [(times[camera] - at) * 1000 for camera, at in feeder.moved.items()]
        figures |= {f"live {stage} p50 ms": percentile(waits, 0.5), f"live {stage} p95 ms": percentile(waits, 0.95)}
    return figures | {f"peak MB {name}": round(peak / 1e6) for name, peak in sorted(peaks.items())}


def bulk_detections() -> Figures:
    """Detections of an external detector, 1,000 a call, one call after the other, until all are in events."""
    with running_product() as product, _Database(product) as database:
        key = product.api_key("operator")
        for camera in range(CAMERAS):
            status, body = product.request("POST", "/api/cameras", key=key, body={"name": f"camera_{camera}"})
            assert status == 201, body
        key, waits = product.api_key("uploader"), []
        start = datetime.now(UTC) - timedelta(days=1)
        began = time.monotonic()
        for first in range(0, DETECTIONS, A_CALL):
            found = [_detection(number, start=start) for number in range(first, first + A_CALL)]
            asked = time.monotonic()
            status, body = product.request("POST", "/api/detections/bulk", key=key, body={"detections": found})
            waits.append((time.monotonic() - asked) * 1000)
            assert status == 207, body
            assert {one["status"] for one in body["results"]} == {201}, body
        answered = time.monotonic() - began
        grouped = database.seconds_until("event_id IS NOT NULL", DETECTIONS, since=began, table="events_detection")
        events = product.rows("SELECT count(*), sum(detection_count) FROM events_event")[0]
        peaks = _peaks(product)
    assert events[1] == DETECTIONS
    return {
        "detections": DETECTIONS,
        "events": int(events[0]),
        "detections/s answered": DETECTIONS / answered,
        "detections/s grouped": DETECTIONS / grouped,
        "call p50 ms": percentile(waits, 0.5),
        "call p95 ms": percentile(waits, 0.95),
        "peak MB web": round(peaks["web"] / 1e6),
    }


def _detection(number: int, *, start: datetime) -> dict[str, Any]:
    """Make one of a day's: each camera sees somebody for a minute, with pauses between, twice a second."""
    at = start + timedelta(seconds=number // CAMERAS * 0.5 + number // CAMERAS // 120 * 60)
    return {
        "camera": f"camera_{number % CAMERAS}",
        "detected_at": at.isoformat(),
        "object_type": "person",
        "confidence": 0.8,
        "bbox": {"x": 100, "y": 100, "width": 200, "height": 300},
        "frame": {"width": 1280, "height": 720},
        "external_id": f"frame-{number}",
    }


class _Database:
    """Looks at the product's rows through one connection."""

    def __init__(self, product: Product) -> None:
        self._connection = psycopg.connect(product.database_url, autocommit=True)

    def __enter__(self) -> "_Database":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

    def seconds_until(self, which: str, count: int, *, since: float, table: str = "cameras_snapshot") -> float:
        """Wait until there are so many of these rows."""
        query = f"SELECT count(*) FROM {table} WHERE {which}"  # noqa: S608 - our own words
        while self._connection.execute(query).fetchone() != (count,):
            time.sleep(LOOK_EVERY)  # looking is work for the machine too
        return time.monotonic() - since

    def times(self, query: str) -> dict[str, float]:
        """Give the wall clock of each camera's row."""
        return {camera: at.timestamp() for camera, at in self._connection.execute(query)}


class _Feeder:
    """Moves pictures in at a steady pace, each to a camera of its own; `moved` says when."""

    def __init__(self, product: Product) -> None:
        self.moved: dict[str, float] = {}
        self._product = product
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Feeder":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        staging = self._product.var / "live"
        staging.mkdir()
        start = time.monotonic()
        for number, data in enumerate(itertools.islice(many_pictures(series=2), LIVE_AT_MOST)):
            if self._stopped.wait(max(0.0, start + number * LIVE_EVERY - time.monotonic())):
                return
            camera = f"live_{number:04d}"
            (staging / camera).write_bytes(data)
            self.moved[camera] = time.time()
            (staging / camera).rename(self._product.camera_root / camera / "picture.jpg")


def many_pictures(*, series: int) -> Iterator[bytes]:
    """Give pictures of PICTURE_BYTES without end: one scene with people, a comment of its own in each."""
    noise = np.random.default_rng(1).normal(0, 1, (720, 1280, 3))
    shade = np.linspace(60, 180, 1280)[None, :, None]
    encoded = b""
    for strength in itertools.count(2):
        buffer = BytesIO()
        drawn = np.clip(shade + noise * strength, 0, 255).astype(np.uint8)
        Image.fromarray(drawn).save(buffer, "JPEG", quality=80)
        encoded = buffer.getvalue()
        if len(encoded) >= PICTURE_BYTES:
            break
    for number in itertools.count():
        comment = f"{series:04d}-{number:012d}".encode()
        yield encoded[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + encoded[2:]


def _stage(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, data in enumerate(itertools.islice(many_pictures(series=1), count)):
        paths.append(folder / f"picture-{number:06d}.jpg")
        paths[-1].write_bytes(data)
    return paths


def _fill(root: Path) -> None:
    """Put the backlog into some cameras' folders: alarm pictures of hours ago."""
    start = datetime.now(UTC) - BACKLOG_AGE - timedelta(seconds=10 * BACKLOG / CAMERAS)
    for number, data in enumerate(itertools.islice(many_pictures(series=1), BACKLOG)):
        at = start + timedelta(seconds=10 * (number // CAMERAS))
        path = root / f"old_{number % CAMERAS}" / f"MDAlarm_{at:%Y%m%d-%H%M%S}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))
    for number in range(LIVE_AT_MOST):  # a folder that is made with its picture is not observed yet
        (root / f"live_{number:04d}").mkdir()


def _tell(product: Product, url: str) -> None:
    """Have every event told to this receiver; the backlog's are late and tell nobody."""
    key = product.api_key("operator")
    body = {"name": "receiver", "kind": "webhook", "config": {"url": url}}
    status, channel = product.request("POST", "/api/channels", key=key, body=body)
    assert status == 201, channel
    rule = {"name": "all", "cooldown_seconds": 0, "channel_ids": [channel["id"]]}
    status, made = product.request("POST", "/api/alert-rules", key=key, body=rule)
    assert status == 201, made


def _told(receiver: HttpServer) -> dict[str, float]:
    """Give when each camera's alert arrived, by the wall clock."""
    offset = time.time() - time.monotonic()
    return {json.loads(one.body)["data"]["camera"]["id"]: one.at + offset for one in list(receiver.requests)}


def _peaks(product: Product) -> dict[str, float]:
    """Give the most memory that any process of each program ever had (PostgreSQL's shared part included), in bytes."""
    peaks: dict[str, float] = {}
    for process in product.processes():
        try:
            name = name_of(process)
            status = Path(f"/proc/{process.pid}/status").read_text()
        except (psutil.Error, OSError):
            continue
        peak = next(int(row.split()[1]) * 1024 for row in status.splitlines() if row.startswith("VmHWM"))
        peaks[name] = max(peaks.get(name, 0), peak)
    return peaks
