"""The whole product with many pictures of yesterday, and one that comes meanwhile."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cameras.pictures import drop, make_picture
from tests.fakes.detector_server import ONE_PERSON, DetectorServer
from tests.fakes.http_server import Answer, HttpServer
from tests.product import Product, running_product
from tests.waiting import wait_until

BACKLOG = 60
SLOW = Answer(body=ONE_PERSON.body, headers=ONE_PERSON.headers, delay=0.25)


def fill(root: Path) -> None:
    """Put alarm pictures of yesterday into two cameras' folders."""
    taken = datetime.now(UTC) - timedelta(days=1)
    for number in range(BACKLOG):
        at = taken + timedelta(seconds=number)
        path = drop(root, f"shed_{number % 2}/MDAlarm_{at:%Y%m%d-%H%M%S}.jpg", seed=number)
        os.utime(path, (at.timestamp(), at.timestamp()))


def count(product: Product, which: str) -> int:
    query = f"SELECT count(*) FROM cameras_snapshot WHERE {which}"  # noqa: S608 - our own words
    return int(product.rows(query)[0][0])


def test_a_live_picture_does_not_wait_for_a_backlog_which_is_worked_off_all_the_same() -> None:
    with DetectorServer(default=SLOW) as detector, HttpServer() as receiver:
        settings = {"DETECTOR": "http", "DETECTOR_URL": detector.url, "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8"}
        with running_product(**settings) as product:
            key = product.api_key("operator")
            channel = {"name": "receiver", "kind": "webhook", "config": {"url": receiver.url}}
            _, made = product.request("POST", "/api/channels", key=key, body=channel)
            rule = {"name": "all", "cooldown_seconds": 0, "channel_ids": [made["id"]]}
            product.request("POST", "/api/alert-rules", key=key, body=rule)
            fill(product.camera_root)
            wait_until(lambda: count(product, "state = 'detected'") >= 5, timeout=60, what="the backlog's first")
            staged = product.var / "live.part"
            picture = make_picture(4711, size=(320, 320))
            staged.write_bytes(picture)
            (product.camera_root / "door").mkdir()

            staged.rename(product.camera_root / "door" / "picture.jpg")

            (told,) = receiver.wait_for(1, timeout=30)
            assert json.loads(told.body)["data"]["camera"]["id"] == "door"
            detector.default = ONE_PERSON
            wait_until(lambda: count(product, "state = 'detected'") == BACKLOG + 1, timeout=90, what="the backlog")
            turn = next(index for index, asked in enumerate(detector.requests) if picture in asked.body)
            assert turn < BACKLOG / 2, "most of the backlog was looked at after it"
            assert len(receiver.requests) == 1, "what comes late is told to nobody"
