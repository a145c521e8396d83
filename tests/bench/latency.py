"""How long from a picture moved into a folder to the webhook received."""

import json
import statistics
import threading
import time
from pathlib import Path

import cv2

from events.detectors.base import Picture
from events.detectors.opencv import OpenCvDetector
from siteadmin.demo.scene import FRONT_DOOR, draw_picture
from tests.fakes.http_server import HttpServer
from tests.product import Product, running_product
from tests.waiting import wait_until

PICTURES = 200
PER_SECOND = 2.0


def percentile(values: list[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def picture(number: int) -> bytes:
    """Draw a picture with one person, unlike every other."""
    drawn = draw_picture(FRONT_DOOR, progress=0.5, seed=number)
    return cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def built_in_detector() -> dict[str, float | int | str]:
    """Milliseconds of the built-in detector's own work on one picture."""
    detector = OpenCvDetector()
    times = []
    for number in range(20):
        data = picture(number)
        began = time.perf_counter()
        detector.detect(Picture(data))
        times.append((time.perf_counter() - began) * 1000)
    return {"p50 ms": statistics.median(times), "p95 ms": percentile(times, 0.95)}


def picture_to_webhook_instant() -> dict[str, float | int | str]:
    """With a detector that answers at once."""
    return _picture_to_webhook(DETECTOR="tests.fakes.detectors.InstantDetector")


def picture_to_webhook_opencv() -> dict[str, float | int | str]:
    """With the built-in detector."""
    return _picture_to_webhook(DETECTOR="opencv")


def _picture_to_webhook(**settings: str) -> dict[str, float | int | str]:
    """Feed pictures at a steady pace, each to a camera of its own, so that each makes one event and one alert."""
    with (
        HttpServer() as receiver,
        running_product(OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8", **settings) as product,
    ):
        cameras = [f"bench_{number:03d}" for number in range(PICTURES)]
        _set_up(product, receiver.url, cameras)
        moved: dict[str, float] = {}
        feeder = threading.Thread(target=_feed, args=(product.camera_root, product.var, cameras, moved))
        feeder.start()
        feeder.join()
        wait_until(lambda: len(receiver.requests) >= PICTURES, timeout=60)
        arrived = {json.loads(request.body)["data"]["camera"]["id"]: request.at for request in receiver.requests}
        times = [(arrived[camera] - moved[camera]) * 1000 for camera in cameras]
    return {
        "pictures": PICTURES,
        "p50 ms": statistics.median(times),
        "p95 ms": percentile(times, 0.95),
        "max ms": max(times),
    }


def _set_up(product: Product, url: str, cameras: list[str]) -> None:
    key = product.api_key("operator")
    for camera in cameras:
        status, body = product.request("POST", "/api/cameras", key=key, body={"id": camera, "name": camera})
        assert status == 201, body
        (product.camera_root / camera).mkdir(parents=True, exist_ok=True)
    status, channel = product.request(
        "POST", "/api/channels", key=key, body={"name": "receiver", "kind": "webhook", "config": {"url": url}}
    )
    assert status == 201, channel
    rule = {"name": "all", "cooldown_seconds": 0, "channel_ids": [channel["id"]]}
    status, body = product.request("POST", "/api/alert-rules", key=key, body=rule)
    assert status == 201, body


def _feed(camera_root: Path, var: Path, cameras: list[str], moved: dict[str, float]) -> None:
    staging = var / "staging"
    staging.mkdir()
    for number, camera in enumerate(cameras):
        (staging / camera).write_bytes(picture(number))
    start = time.monotonic()
    for number, camera in enumerate(cameras):
        time.sleep(max(0.0, start + number / PER_SECOND - time.monotonic()))  # the pace is the benchmark's own
        moved[camera] = time.monotonic()
        (staging / camera).rename(camera_root / camera / f"picture-{number}.jpg")
