"""The whole product with a model that judges events and a service that knows faces, heard and silent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import pytest

from siteadmin.demo.scene import FRONT_DOOR, draw_picture
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.llm_server import LlmServer
from tests.product import Product
from tests.waiting import wait_until

WITHIN = 30.0


@dataclass
class Site:
    """A running product and the services that it asks."""

    product: Product
    llm: LlmServer
    face: HttpServer
    receiver: HttpServer
    key: str

    def drop_picture(self, camera: str) -> None:
        """Move a picture into a camera's folder."""
        staged = self.product.var / f"{camera}.part"
        drawn = draw_picture(FRONT_DOOR, progress=0.5, seed=len(camera))
        staged.write_bytes(cv2.imencode(".jpg", drawn)[1].tobytes())
        folder = self.product.camera_root / camera
        folder.mkdir(parents=True, exist_ok=True)
        staged.rename(folder / "picture.jpg")

    def event_of(self, camera: str) -> dict[str, Any] | None:
        """Give the camera's event."""
        _, body = self.product.request("GET", f"/api/events?camera={camera}", key=self.key)
        return next(iter(body.get("results", [])), None)

    def attributes_of(self, camera: str) -> Any:
        """Give what is known of the camera's newest detection."""
        _, body = self.product.request("GET", f"/api/detections?camera={camera}", key=self.key)
        return body["results"][0]["attributes"]


@pytest.fixture(scope="module")
def site(product: Product, llm: LlmServer, face: HttpServer) -> Iterator[Site]:
    """Give the product with a rule that only the model's score meets."""
    key = product.api_key("admin")
    with HttpServer() as receiver:
        made = []
        for path, body in (
            ("/api/cameras", {"name": "Porch", "id": "porch", "folder_path": "porch"}),
            ("/api/channels", {"name": "grave", "kind": "webhook", "config": {"url": receiver.url}}),
        ):
            status, answer = product.request("POST", path, key=key, body=body)
            assert status == 201, answer
            made.append(answer["id"])
        rule = {"name": "grave", "risk_threshold": 90, "camera_ids": made[:1], "channel_ids": made[1:]}
        status, answer = product.request("POST", "/api/alert-rules", key=key, body=rule)
        assert status == 201, answer
        yield Site(product, llm, face, receiver, key)


def test_a_picture_becomes_an_alert_because_of_the_models_score(site: Site) -> None:
    site.drop_picture("porch")

    (told,) = site.receiver.wait_for(1, timeout=WITHIN)
    assert json.loads(told.body)["data"]["event"]["risk_score"] == 91
    event = site.event_of("porch")
    assert event is not None
    assert (event["scored_by"], event["summary"]) == ("llm", "Somebody tries the door")
    assert (event["analysis"]["state"], event["analysis"]["prompt_version"]) == ("done", 1)
    wait_until(lambda: site.attributes_of("porch") == {"face": {"name": "Eve"}}, timeout=WITHIN)


def test_services_that_say_nothing_hold_no_picture_up(site: Site) -> None:
    site.llm.default = site.face.default = Answer(hang=True)
    asked = len(site.llm.requests), len(site.face.requests)
    for number in range(5):
        site.drop_picture(f"silent_{number}")
    wait_until(lambda: len(site.llm.requests) > asked[0] and len(site.face.requests) > asked[1], timeout=WITHIN)

    site.drop_picture("later")

    wait_until(lambda: site.event_of("later") is not None, timeout=WITHIN)
    event = site.event_of("later")
    assert event is not None
    assert event["scored_by"] == "builtin"
