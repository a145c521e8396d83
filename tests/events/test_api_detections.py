"""The API of detections, and what the detector sees on demand."""

import base64
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from cameras.models import Snapshot
from events.models import Detection, Event
from siteadmin.core.exceptions import DetectorUnavailableError
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.events.seen import client_with_key, picture_bytes, seen_event, stored_snapshot
from tests.factories import CameraFactory, DetectionFactory, EventFactory, ZoneFactory
from tests.fakes.detectors import ScriptedDetector, found_person
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture
def viewer() -> APIClient:
    """Give a key of a viewer."""
    return client_with_key("viewer")


@pytest.fixture
def operator() -> APIClient:
    """Give a key of an operator."""
    return client_with_key("operator")


def ids_of(client: APIClient, **parameters: Any) -> list[int]:
    response = client.get("/api/detections", parameters)
    assert response.status_code == 200, response.content
    return [detection["id"] for detection in response.json()["results"]]


def sent(camera: str, **fields: Any) -> dict[str, Any]:
    return {
        "camera": camera,
        "detected_at": "2026-03-14T12:00:00Z",
        "object_type": "person",
        "confidence": 0.8,
        "bbox": {"x": 10, "y": 20, "width": 30, "height": 40},
        "frame": {"width": 640, "height": 480},
        **fields,
    }


def test_a_detection_has_the_fields_of_the_contract(viewer: APIClient) -> None:
    event = seen_event(started_at=NOON)
    assert event.key_detection is not None

    body = viewer.get(f"/api/detections/{event.key_detection.pk}").json()

    assert body == {
        "id": event.key_detection.pk,
        "snapshot": event.key_detection.snapshot_id,
        "camera": event.camera_id,
        "event": event.pk,
        "object_type": "person",
        "confidence": 0.9,
        "bbox": {"x": 300, "y": 200, "width": 40, "height": 120},
        "frame": {"width": 640, "height": 480},
        "zones": [],
        "detected_at": "2026-03-14T12:00:00Z",
        "external_id": "",
        "attributes": {},
    }


def test_each_filter_keeps_what_it_says(viewer: APIClient) -> None:
    zone, camera = ZoneFactory(), CameraFactory()
    event = EventFactory(camera=camera)
    first = DetectionFactory(camera=camera, event=event, detected_at=NOON, confidence=0.5)
    second = DetectionFactory(detected_at=NOON + timedelta(minutes=1), object_type="car", zones=[zone.pk])

    assert ids_of(viewer) == [second.pk, first.pk]
    assert ids_of(viewer, camera=camera.pk) == [first.pk]
    assert ids_of(viewer, event=event.pk) == [first.pk]
    assert ids_of(viewer, object_type="car,bus") == [second.pk]
    assert ids_of(viewer, object_type="ca") == []
    assert ids_of(viewer, min_confidence=0.51) == [second.pk]
    assert ids_of(viewer, zone=zone.pk) == [second.pk]
    assert ids_of(viewer, detected_after="2026-03-14T12:01:00Z") == [second.pk]
    assert ids_of(viewer, detected_before="2026-03-14T12:01:00Z") == [first.pk]


def test_detections_of_what_was_deleted_are_hidden(viewer: APIClient) -> None:
    DetectionFactory(event=EventFactory(deleted_at=timezone.now()))
    DetectionFactory(camera=CameraFactory(deleted_at=timezone.now()))
    shown = DetectionFactory(event=None)

    assert ids_of(viewer) == [shown.pk]


@pytest.mark.parametrize(
    "parameters",
    [{"min_confidence": "2"}, {"detected_after": "2026-03-14T12:00:00"}, {"event": "x"}, {"confidence": "1"}],
)
def test_bad_parameters_are_named(viewer: APIClient, parameters: dict[str, str]) -> None:
    response = viewer.get("/api/detections", parameters)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == next(iter(parameters))


def test_a_crop_is_a_jpeg_of_the_boxs_size_and_known_by_its_etag(viewer: APIClient) -> None:
    address = f"/api/detections/{seen_event().key_detection_id}/image"

    response = viewer.get(address)
    again = viewer.get(address, HTTP_IF_NONE_MATCH=response["ETag"])

    picture = Image.open(io.BytesIO(response.content))
    assert (picture.format, picture.size) == ("JPEG", (40, 120))
    assert (again.status_code, again.content) == (304, b"")


def test_an_external_detection_without_a_picture_has_no_crop(viewer: APIClient) -> None:
    response = viewer.get(f"/api/detections/{DetectionFactory(snapshot=None).pk}/image")

    assert (response.status_code, response.json()["code"]) == (404, "MEDIA_NOT_FOUND")


def test_what_an_external_detector_sends_becomes_detections_and_events() -> None:
    camera = CameraFactory()
    snapshot = stored_snapshot(camera=camera)
    uploader = client_with_key("uploader", cameras=(camera.pk,))
    items = [
        sent(camera.pk, external_id="a", attributes={"color": "red"}),
        sent(camera.pk, detected_at="2026-03-14T13:00:05+01:00", snapshot=snapshot.pk),
    ]

    response = uploader.post("/api/detections/bulk", {"detections": items})

    results = response.json()["results"]
    assert response.status_code == 207
    assert [(result["index"], result["status"]) for result in results] == [(0, 201), (1, 201)]
    stored = Detection.objects.get(pk=results[0]["id"])
    assert (stored.x, stored.y, stored.width, stored.height) == (10, 20, 30, 40)
    assert (stored.external_id, stored.attributes, stored.detected_at) == ("a", {"color": "red"}, NOON)
    event = Event.objects.get()
    assert {result["event"] for result in results} == {event.pk}
    assert (event.detection_count, event.scored_by) == (2, "builtin")


def test_the_same_external_id_again_adds_nothing(operator: APIClient) -> None:
    camera = CameraFactory()
    body = {"detections": [sent(camera.pk, external_id="a")]}
    first = operator.post("/api/detections/bulk", body).json()["results"][0]

    again = operator.post("/api/detections/bulk", body).json()["results"][0]

    assert (first["status"], again["status"]) == (201, 200)
    assert (again["id"], again["event"]) == (first["id"], first["event"])
    assert Detection.objects.count() == 1


def test_each_bad_item_is_answered_on_its_own_and_stops_no_other(operator: APIClient) -> None:
    camera, other = CameraFactory(), CameraFactory()
    foreign = stored_snapshot(camera=other)
    items: list[Any] = [
        sent(camera.pk),
        sent("nowhere"),
        sent(camera.pk, bbox={"x": 600, "y": 0, "width": 100, "height": 10}),
        sent(camera.pk, confidence=1.5),
        sent(camera.pk, detected_at="2026-03-14T12:00:00"),
        sent(camera.pk, colour="red"),
        "person",
        sent(camera.pk, snapshot=foreign.pk),
        {},
        sent(camera.pk, bbox={"x": 0, "y": 0, "width": 0, "height": 10}),
    ]

    results = operator.post("/api/detections/bulk", {"detections": items}).json()["results"]

    assert [result["index"] for result in results] == list(range(10))
    assert [result["status"] for result in results] == [201, 404, 400, 400, 400, 400, 400, 404, 400, 400]
    assert results[1]["code"] == "CAMERA_NOT_FOUND"
    assert results[2]["code"] == "INVALID_BOUNDING_BOX"
    assert results[3]["errors"][0]["field"] == "confidence"
    assert results[5]["errors"][0]["field"] == "colour"
    assert Detection.objects.count() == 1


def test_an_uploader_reaches_its_own_cameras_alone_and_reads_nothing() -> None:
    own, other = CameraFactory(), CameraFactory()
    uploader = client_with_key("uploader", cameras=(own.pk,))

    body = {"detections": [sent(own.pk), sent(other.pk)]}
    results = uploader.post("/api/detections/bulk", body).json()["results"]

    assert [result["status"] for result in results] == [201, 404]
    assert uploader.get("/api/detections").status_code == 403
    assert client_with_key("reviewer").post("/api/detections/bulk", body).status_code == 403


def test_a_key_as_basic_password_may_send_but_not_read() -> None:
    camera = CameraFactory()
    _, key = create_api_key(name="box", role=Role.OPERATOR)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic " + base64.b64encode(f"any:{key}".encode()).decode())

    assert client.post("/api/detections/bulk", {"detections": [sent(camera.pk)]}).status_code == 207
    assert client.get("/api/detections").status_code == 401


@pytest.mark.parametrize("body", [{"detections": []}, {}, {"detections": [{}] * 1001}, [], {"detections": "all"}])
def test_a_bulk_that_makes_no_sense_is_refused(operator: APIClient, body: Any) -> None:
    assert operator.post("/api/detections/bulk", body).status_code == 400


def test_lists_cost_the_same_however_long(viewer: APIClient) -> None:
    for _ in range(4):
        seen_event()
    viewer.get("/api/detections")

    with assert_query_count("api detections list"):
        assert len(ids_of(viewer)) == 4
    first = ids_of(viewer)[0]
    with assert_query_count("api detections image"):
        viewer.get(f"/api/detections/{first}/image")


@pytest.fixture
def camera_root(settings: Any) -> Path:
    """Give the camera root with one picture in it."""
    root: Path = settings.CAMERA_ROOT
    (root / "door").mkdir()
    (root / "door" / "one.png").write_bytes(picture_bytes())
    return root


@pytest.mark.parametrize("form", ["relative", "whole"])
def test_detect_looks_at_a_file_inside_the_root_and_stores_nothing(
    form: str, operator: APIClient, camera_root: Path, detector: ScriptedDetector
) -> None:
    detector.answer = [found_person(0.9), found_person(0.1)]
    path = "door/one.png" if form == "relative" else str(camera_root / "door/one.png")

    response = operator.post("/api/detect", {"image_path": path})

    assert response.status_code == 200
    assert response.json() == {
        "frame": {"width": 640, "height": 480},
        "detections": [
            {
                "object_type": "person",
                "confidence": 0.9,
                "bbox": {"x": 100, "y": 100, "width": 50, "height": 150},
                "attributes": {},
            }
        ],
    }
    assert (Detection.objects.count(), Snapshot.objects.count()) == (0, 0)
    assert (camera_root / "door/one.png").exists()


def test_detect_looks_at_a_file_that_is_sent(operator: APIClient, detector: ScriptedDetector) -> None:
    detector.answer = [found_person()]
    file = SimpleUploadedFile("any.png", picture_bytes(), content_type="image/png")

    response = operator.post("/api/detect", {"file": file}, format="multipart")

    assert (response.status_code, len(response.json()["detections"])) == (200, 1)
    assert [picture.data for picture in detector.seen] == [picture_bytes()]


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd", "door/../../outside.png", "door/link.png"])
def test_a_path_outside_the_root_is_refused_with_path_and_constraint(
    path: str, operator: APIClient, camera_root: Path, detector: ScriptedDetector
) -> None:
    (camera_root.parent / "outside.png").write_bytes(picture_bytes())
    (camera_root / "door/link.png").symlink_to(camera_root.parent / "outside.png")

    response = operator.post("/api/detect", {"image_path": path})

    body = response.json()
    assert (response.status_code, body["code"]) == (400, "INVALID_INPUT")
    assert body["details"] == {"path": path, "constraint": "a path inside the camera root"}
    assert str(camera_root) not in response.content.decode()
    assert detector.seen == []


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [None, Path.mkdir, _make_pipe])
def test_a_path_to_no_plain_file_is_not_found(
    make: Callable[[Path], None] | None, operator: APIClient, camera_root: Path, detector: ScriptedDetector
) -> None:
    if make is not None:
        make(camera_root / "thing")

    response = operator.post("/api/detect", {"image_path": "thing"})

    assert (response.status_code, response.json()["code"]) == (404, "MEDIA_NOT_FOUND")


@pytest.mark.parametrize("data", [b"", b"text", picture_bytes()[:500]])
def test_what_is_no_whole_picture_is_a_400(data: bytes, operator: APIClient, camera_root: Path) -> None:
    (camera_root / "bad.png").write_bytes(data)

    response = operator.post("/api/detect", {"image_path": "bad.png"})

    assert (response.status_code, response.json()["code"]) == (400, "PICTURE_NOT_USABLE")
    assert "0x" not in response.json()["detail"]


def test_a_picture_over_the_limit_is_a_413(operator: APIClient, camera_root: Path, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100

    assert operator.post("/api/detect", {"image_path": "door/one.png"}).status_code == 413


@pytest.mark.parametrize("body", [{}, {"image_path": "", "other": 1}, {"image_path": ["a"]}])
def test_a_request_without_a_picture_is_refused(body: dict[str, Any], operator: APIClient) -> None:
    assert operator.post("/api/detect", body).status_code == 400


def test_a_detector_that_is_down_is_a_503_also_behind_its_breaker(
    operator: APIClient, camera_root: Path, detector: ScriptedDetector
) -> None:
    detector.answer = DetectorUnavailableError("no answer from 10.0.0.7")

    answers = [operator.post("/api/detect", {"image_path": "door/one.png"}) for _ in range(7)]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "DETECTOR_UNAVAILABLE")}
    assert int(answers[-1]["Retry-After"]) > 0
    assert len(detector.seen) == 5


def test_somebody_limited_to_cameras_may_not_look_around_in_the_root(camera_root: Path) -> None:
    limited = client_with_key("admin", cameras=(CameraFactory().pk,))

    assert limited.post("/api/detect", {"image_path": "door/one.png"}).status_code == 403
