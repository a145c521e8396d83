"""How the whole site is: each part's state and reason, within seconds whatever hangs."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from cameras.choices import CameraStatus
from siteadmin import system
from siteadmin.core import heartbeat
from siteadmin.core.breaker import FAILURES_TO_OPEN, CircuitBreaker
from siteadmin.core.exceptions import DetectorUnavailableError
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import bury
from siteadmin.core.tasks import sweep
from siteadmin.system import read_status
from tests import onnx_models
from tests.core.test_pipeline import broker_at  # noqa: F401 - a fixture
from tests.factories import CameraFactory, SnapshotFactory
from tests.fakes.http_server import Answer, HttpServer, closed_port

pytestmark = pytest.mark.django_db

PARTS = {
    "database", "broker", "workers", "beat", "queues", "detector", "analyzer", "breakers", "watcher", "mqtt", "storage",
    "cameras",
}  # fmt: skip
ALL_QUEUES = sorted([step.queue for step in Step] + ["celery"])


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a worker that takes every queue, and beat seen just now."""
    answer = ({Step.DETECT: 3}, {"all@here": ALL_QUEUES}, timezone.now())
    monkeypatch.setattr(system, "_ask_broker", lambda: answer)
    heartbeat.note_watcher(left={".dav": 3})


@pytest.fixture
def detector_fails() -> Callable[[int], None]:
    """Give a function that lets the detector fail so often."""

    def run(times: int) -> None:
        def fail() -> None:
            raise DetectorUnavailableError("no answer")

        for _ in range(times):
            with pytest.raises(DetectorUnavailableError):
                CircuitBreaker("detector:opencv", counts=(DetectorUnavailableError,)).call(fail)

    return run


class TestApi:
    @pytest.mark.parametrize("path", ["/api/system/status", "/api/system/status/"])
    def test_operators_read_every_part_with_state_and_reason(
        self, client_as: Callable[[str], APIClient], healthy: None, path: str
    ) -> None:
        answer = client_as("operator").get(path)

        body = answer.json()
        assert (answer.status_code, set(body)) == (200, PARTS | {"state", "checked_at"})
        assert all(body[part]["state"] in ("ok", "degraded", "down") for part in PARTS)
        assert all(bool(body[part]["reason"]) == (body[part]["state"] != "ok") for part in PARTS)

    @pytest.mark.parametrize("role", ["viewer", "reviewer"])
    def test_others_do_not(self, client_as: Callable[[str], APIClient], role: str) -> None:
        assert client_as(role).get("/api/system/status").status_code == 403

    def test_whoever_is_limited_to_cameras_does_not_find_it(self, key_client: Callable[..., APIClient]) -> None:
        key = key_client("operator", cameras=(CameraFactory().pk,))

        assert key.get("/api/system/status").status_code == 404

    def test_unknown_parameters_are_refused(self, client_as: Callable[[str], APIClient]) -> None:
        assert client_as("operator").get("/api/system/status?limit=3").status_code == 400

    def test_it_is_in_the_schema(self, client_as: Callable[[str], APIClient]) -> None:
        schema = client_as("viewer").get("/api/schema?format=json").json()

        assert "200" in schema["paths"]["/api/system/status"]["get"]["responses"]


@pytest.mark.usefixtures("healthy")
class TestParts:
    def test_all_is_well_on_a_site_without_trouble(self) -> None:
        status = read_status()

        assert {part: status[part]["reason"] for part in PARTS if status[part]["reason"]} == {}
        assert status["state"] == "ok"

    def test_one_failure_degrades_the_detector_and_several_put_it_down(
        self, detector_fails: Callable[[int], None]
    ) -> None:
        detector_fails(1)
        assert (read_status()["detector"]["state"], read_status()["breakers"]["state"]) == ("degraded", "ok")

        detector_fails(FAILURES_TO_OPEN - 1)
        status = read_status()
        assert (status["detector"]["state"], status["breakers"]["state"], status["state"]) == (
            "down",
            "degraded",
            "down",
        )
        assert "no answer" in status["detector"]["reason"]
        (breaker,) = status["breakers"]["breakers"]
        assert (breaker["name"], breaker["position"]) == ("detector:opencv", "open")

    def test_a_model_that_cannot_be_used_says_so_until_it_can(self, settings: Any, tmp_path: Path) -> None:
        settings.DETECTOR, settings.ONNX_MODEL = "onnx", tmp_path / "model.onnx"
        assert "no file" in read_status()["detector"]["reason"]

        settings.ONNX_MODEL.write_bytes(b"no model")
        assert "no model that runs" in read_status()["detector"]["reason"]

        onnx_models.yolo_v8(settings.ONNX_MODEL)
        assert read_status()["detector"]["state"] == "ok"

    def test_a_detector_that_some_cameras_name_only_degrades_the_site(self) -> None:
        CameraFactory(detector="http")

        detector = read_status()["detector"]

        assert (detector["state"], detector["reason"]) == ("degraded", "http: It is not configured")
        assert {one["name"]: one["cameras"] for one in detector["detectors"]} == {"opencv": 0, "http": 1}

    def test_waiting_rows_and_dead_letters_are_counted(self) -> None:
        SnapshotFactory(state="received", due_at=timezone.now())
        bury(Step.DETECT, 1, error="no answer", attempts=8)

        queues = read_status()["queues"]

        assert {"name": "detect", "queued": 3, "waiting": 1} in queues["queues"]
        assert (queues["dead_letters"], queues["state"]) == (1, "degraded")

    def test_silent_cameras_are_named(self) -> None:
        CameraFactory(name="Gate", status=CameraStatus.OFFLINE, last_seen_at=timezone.now() - timedelta(hours=2))
        CameraFactory(name="Door", status=CameraStatus.ONLINE, last_seen_at=timezone.now())

        cameras = read_status()["cameras"]

        assert (cameras["state"], cameras["reason"]) == ("degraded", "Silent: Gate")
        assert cameras["cameras"][1]["silent_seconds"] == pytest.approx(7200, abs=5)

    def test_what_the_watcher_left_alone_is_counted(self) -> None:
        assert read_status()["watcher"]["left_alone"] == {".dav": 3}

    def test_a_watcher_that_is_gone_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(heartbeat, "WATCHER_SILENT", timedelta(0))
        assert read_status()["watcher"]["state"] == "down"

    def test_uploads_without_a_folder_are_down(self, settings: Any, tmp_path: Path) -> None:
        settings.CAMERA_ROOT = tmp_path / "file"
        settings.CAMERA_ROOT.touch()

        assert read_status()["storage"]["state"] == "down"


@pytest.mark.parametrize(
    ("workers", "reason"),
    [
        ({}, "No worker answers"),
        ({"one": [name for name in ALL_QUEUES if name != "detect"]}, "No worker takes detect"),
        ({"one": ["detect"], "two": ALL_QUEUES}, ""),
    ],
)
def test_every_queue_needs_a_worker(workers: dict[str, list[str]], reason: str) -> None:
    part = system._worker_part(workers)

    assert (part["state"], part["reason"]) == ("down" if reason else "ok", reason)


def test_beat_is_seen_by_its_sweep() -> None:
    assert system._beat_part(heartbeat.last_beat(), has_workers=True)["state"] == "down"
    sweep()
    assert system._beat_part(heartbeat.last_beat(), has_workers=True)["state"] == "ok"


@pytest.mark.usefixtures("transactional_db")
def test_without_any_worker_the_site_says_so_within_seconds() -> None:
    started = time.monotonic()

    status = read_status()

    assert (status["broker"]["state"], status["workers"]["state"]) == ("ok", "down")
    assert time.monotonic() - started < 10


class TestBrokerDown:
    def test_a_broker_that_is_gone_is_said_at_once(self, broker_at: Callable[[str], None]) -> None:  # noqa: F811
        started = time.monotonic()
        with closed_port() as port:
            broker_at(f"redis://127.0.0.1:{port}/0")
            status = read_status()

        assert (status["broker"]["state"], status["workers"]["state"]) == ("down", "degraded")
        assert status["queues"]["queues"][0]["queued"] is None
        assert time.monotonic() - started < 10

    def test_one_that_hangs_holds_nobody_up(self, broker_at: Callable[[str], None]) -> None:  # noqa: F811
        started = time.monotonic()
        with HttpServer(default=Answer(hang=True)) as server:
            broker_at(f"redis://127.0.0.1:{server.port}/0")
            status = read_status()

        assert status["broker"]["state"] == "down"
        assert time.monotonic() - started < 10
