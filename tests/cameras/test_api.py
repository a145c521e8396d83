"""The API of cameras, zones and snapshots."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from cameras.models import Camera, Zone
from cameras.services import accept_picture
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.cameras.pictures import make_picture
from tests.factories import CameraFactory, SnapshotFactory, ZoneFactory

pytestmark = pytest.mark.django_db

TRIANGLE = [[0, 0], [1, 0], [0.5, 1]]


@pytest.fixture
def operator(client_as: Any) -> APIClient:
    return client_as("operator")  # type: ignore[no-any-return]


@pytest.fixture
def viewer(client_as: Any) -> APIClient:
    return client_as("viewer")  # type: ignore[no-any-return]


def with_key(role: Role, *cameras: str) -> APIClient:
    client = APIClient()
    _, key = create_api_key(name=f"{role}-{'-'.join(cameras)}", role=role, camera_ids=cameras)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def ids(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


# Cameras


def test_camera_is_created_with_an_id_and_a_folder_from_its_name(
    operator: APIClient, settings: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post("/api/cameras", {"name": "Front Door"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["id"], body["folder_path"], body["status"]) == ("front_door", "front_door", "unknown")
    assert (body["timer_pictures"], body["demo"], body["deleted_at"]) == ("skip", False, None)
    assert (Path(settings.CAMERA_ROOT) / "front_door").is_dir()


def test_camera_of_a_name_without_letters_gets_an_id_all_the_same(operator: APIClient) -> None:
    assert operator.post("/api/cameras", {"name": "门口"}).json()["id"].startswith("camera_")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Gate", "id": "x", "folder_path": "x"}, "name"),
        ({"name": "x", "id": "gate", "folder_path": "x"}, "id"),
        ({"name": "x", "id": "x", "folder_path": "gate"}, "folder_path"),
    ],
)
def test_taken_name_id_or_folder_is_a_conflict(operator: APIClient, body: dict[str, str], field: str) -> None:
    CameraFactory(id="gate", name="Gate", folder_path="gate")
    answer = operator.post("/api/cameras", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "DUPLICATE_RESOURCE")
    assert answer.json()["details"]["field"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a", "id": "Not A Slug"}, "id"),
        ({"name": "a", "folder_path": "../outside"}, "folder_path"),
        ({"name": "a", "folder_path": "/etc"}, "folder_path"),
        ({"name": "a", "folder_path": "."}, "folder_path"),
        ({"name": "a", "timezone": "Mars/Olympus"}, "timezone"),
        ({"name": "a", "timezone": "../../etc/passwd"}, "timezone"),
        ({"name": "a", "timezone": "localtime"}, "timezone"),
        ({"name": "a", "offline_after_seconds": 0}, "offline_after_seconds"),
        ({"name": "a", "retention_days": -1}, "retention_days"),
        ({"name": "a", "timer_pictures": "maybe"}, "timer_pictures"),
        ({"name": "a", "detector": "onnx"}, "detector"),
        ({"name": "a", "colour": "red"}, "colour"),
    ],
)
def test_bad_camera_is_refused_by_field(operator: APIClient, body: dict[str, Any], field: str) -> None:
    answer = operator.post("/api/cameras", body)
    assert answer.status_code == 400, answer.content
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert Camera.objects.count() == 0


def test_folder_may_be_given_as_a_whole_path(operator: APIClient, settings: Any) -> None:
    body = {"name": "a", "folder_path": f"{settings.CAMERA_ROOT}/house/a"}
    assert operator.post("/api/cameras", body).json()["folder_path"] == "house/a"


def test_folder_that_a_link_leads_out_of_the_root_is_refused(
    operator: APIClient, settings: Any, tmp_path: Path
) -> None:
    (Path(settings.CAMERA_ROOT) / "away").symlink_to(tmp_path)
    assert operator.post("/api/cameras", {"name": "a", "folder_path": "away"}).status_code == 400


def test_patch_changes_what_was_sent_alone(operator: APIClient) -> None:
    camera = CameraFactory(timezone="Europe/Berlin")
    answer = operator.patch(f"/api/cameras/{camera.pk}", {"name": "New name", "retention_days": None})
    assert (answer.status_code, answer.json()["name"]) == (200, "New name")
    assert answer.json()["timezone"] == "Europe/Berlin"


def test_patched_name_of_another_camera_is_a_conflict(operator: APIClient) -> None:
    CameraFactory(name="Gate")
    assert operator.patch(f"/api/cameras/{CameraFactory().pk}", {"name": "Gate"}).status_code == 409


def test_id_never_changes(operator: APIClient) -> None:
    camera = CameraFactory()
    assert operator.patch(f"/api/cameras/{camera.pk}", {"id": "other"}).status_code == 400
    assert operator.patch(f"/api/cameras/{camera.pk}", {"id": camera.pk}).status_code == 200


def test_deleted_camera_is_hidden_with_all_it_sent_until_it_is_restored(operator: APIClient) -> None:
    snapshot = SnapshotFactory()
    address = f"/api/cameras/{snapshot.camera_id}"
    assert operator.delete(address).status_code == 204
    assert operator.get(address).status_code == 404
    assert operator.get(f"/api/snapshots/{snapshot.pk}").status_code == 404
    assert operator.delete(address).status_code == 404
    answer = operator.post(f"{address}/restore")
    assert (answer.status_code, answer.json()["deleted_at"]) == (200, None)
    assert operator.get(f"/api/snapshots/{snapshot.pk}").status_code == 200


def test_restoring_twice_changes_nothing(operator: APIClient) -> None:
    assert operator.post(f"/api/cameras/{CameraFactory().pk}/restore").status_code == 200


def test_name_of_a_deleted_camera_is_free_and_its_return_a_conflict(operator: APIClient) -> None:
    operator.delete(f"/api/cameras/{CameraFactory(id='a', name='Gate').pk}")
    assert operator.post("/api/cameras", {"name": "Gate", "id": "b"}).status_code == 201
    answer = operator.post("/api/cameras/a/restore")
    assert (answer.status_code, answer.json()["details"]["field"]) == (409, "name")


def test_cameras_are_listed_by_status_and_text(viewer: APIClient) -> None:
    CameraFactory(id="gate", name="Main Gate", status="online")
    CameraFactory(id="yard", name="Back Yard", status="offline")
    assert ids(viewer.get("/api/cameras")) == ["yard", "gate"]
    assert ids(viewer.get("/api/cameras?status=online")) == ["gate"]
    assert ids(viewer.get("/api/cameras/?q=YARD")) == ["yard"]
    assert ids(viewer.get("/api/cameras?status=online,offline&ordering=-name")) == ["gate", "yard"]
    assert viewer.get("/api/cameras?status=broken").status_code == 400
    assert viewer.get("/api/cameras?unknown=1").status_code == 400


def test_viewer_changes_nothing(viewer: APIClient) -> None:
    camera = CameraFactory()
    assert viewer.post("/api/cameras", {"name": "a"}).status_code == 403
    assert viewer.patch(f"/api/cameras/{camera.pk}", {"name": "a"}).status_code == 403
    assert viewer.delete(f"/api/cameras/{camera.pk}").status_code == 403
    assert viewer.post(f"/api/cameras/{camera.pk}/restore").status_code == 403
    assert viewer.post(f"/api/cameras/{camera.pk}/zones", {"name": "a", "coordinates": TRIANGLE}).status_code == 403


def test_nobody_is_asked_who_they_are(api: APIClient) -> None:
    answer = api.get("/api/cameras")
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer


def test_unknown_camera_is_named(viewer: APIClient) -> None:
    answer = viewer.get("/api/cameras/nope")
    assert (answer.status_code, answer.json()["code"]) == (404, "CAMERA_NOT_FOUND")
    assert answer.json()["details"] == {"camera_id": "nope"}


@pytest.mark.parametrize("camera_id", ["%00", "a" * 500, "1%2F2", "%FF"])
def test_strange_ids_are_merely_unknown(viewer: APIClient, camera_id: str) -> None:
    for tail in ("", "/zones", "/snapshot"):
        assert viewer.get(f"/api/cameras/{camera_id}{tail}").status_code == 404


# Zones


def test_zone_lives_its_whole_life(operator: APIClient) -> None:
    zones = f"/api/cameras/{CameraFactory().pk}/zones"
    made = operator.post(zones, {"name": "Path", "coordinates": TRIANGLE, "zone_type": "driveway"})
    assert made.status_code == 201, made.content
    assert made.json()["coordinates"] == [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]
    one = f"{zones}/{made.json()['id']}"
    assert operator.patch(one, {"enabled": False, "color": "#ff0000"}).json()["enabled"] is False
    assert operator.get(one).json()["zone_type"] == "driveway"
    assert ids(operator.get(zones)) == [made.json()["id"]]
    assert operator.delete(one).status_code == 204
    assert operator.get(one).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coordinates": [[0, 0], [1, 1]]}, "coordinates"),
        ({"coordinates": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "coordinates"),
        ({"coordinates": [[0, 0], [1, 0], [2, 2]]}, "coordinates"),
        ({"coordinates": "everywhere"}, "coordinates"),
        ({"color": "red"}, "color"),
        ({"zone_type": "moat"}, "zone_type"),
        ({"name": ""}, "name"),
        ({"priority": 2**40}, "priority"),
    ],
)
def test_bad_zone_is_refused_by_field(operator: APIClient, change: dict[str, Any], field: str) -> None:
    zones = f"/api/cameras/{CameraFactory().pk}/zones"
    answer = operator.post(zones, {"name": "Path", "coordinates": TRIANGLE} | change)
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_name_of_a_zone_is_unique_for_its_camera(operator: APIClient) -> None:
    zone = ZoneFactory(name="Path")
    body = {"name": "Path", "coordinates": TRIANGLE}
    assert operator.post(f"/api/cameras/{zone.camera_id}/zones", body).status_code == 409
    assert operator.post(f"/api/cameras/{CameraFactory().pk}/zones", body).status_code == 201


def test_zone_of_another_camera_is_not_found(operator: APIClient) -> None:
    zone = ZoneFactory()
    assert operator.get(f"/api/cameras/{CameraFactory().pk}/zones/{zone.pk}").status_code == 404
    assert operator.delete(f"/api/cameras/{CameraFactory().pk}/zones/{zone.pk}").status_code == 404
    assert Zone.objects.exists(zone.pk)


def test_zones_of_an_unknown_camera_are_not_found(operator: APIClient) -> None:
    answer = operator.get("/api/cameras/nope/zones")
    assert (answer.status_code, answer.json()["code"]) == (404, "CAMERA_NOT_FOUND")


# Snapshots


def test_snapshots_are_listed_newest_first(viewer: APIClient) -> None:
    at = datetime(2026, 3, 14, tzinfo=UTC)
    old, new = (SnapshotFactory(captured_at=at + timedelta(hours=hours)) for hours in (1, 2))
    assert ids(viewer.get("/api/snapshots")) == [new.pk, old.pk]


def test_snapshots_are_filtered(viewer: APIClient) -> None:
    at = datetime(2026, 3, 14, tzinfo=UTC)
    one = SnapshotFactory(captured_at=at, state="failed", trigger="alarm")
    two = SnapshotFactory(captured_at=at + timedelta(hours=1), trigger="timer")
    assert ids(viewer.get(f"/api/snapshots?camera={one.camera_id}")) == [one.pk]
    assert ids(viewer.get("/api/snapshots?state=failed")) == [one.pk]
    assert ids(viewer.get("/api/snapshots?trigger=timer,manual")) == [two.pk]
    assert ids(viewer.get("/api/snapshots?captured_after=2026-03-14T01:00:00Z")) == [two.pk]
    assert ids(viewer.get("/api/snapshots?captured_before=2026-03-14T01:00:00Z")) == [one.pk]
    backwards = "captured_after=2026-03-15T00:00:00Z&captured_before=2026-03-14T00:00:00Z"
    assert viewer.get(f"/api/snapshots?{backwards}").json()["code"] == "INVALID_DATE_RANGE"


def test_snapshot_has_the_fields_of_the_contract(viewer: APIClient) -> None:
    snapshot = SnapshotFactory()
    words = "id camera name sha256 media_type trigger captured_at received_at width height size"
    words += " duration_seconds codec state error"
    assert " ".join(viewer.get(f"/api/snapshots/{snapshot.pk}").json()) == words


def test_snapshot_list_costs_the_same_for_many(viewer: APIClient, django_assert_max_num_queries: Any) -> None:
    SnapshotFactory.create_batch(20)
    with django_assert_max_num_queries(4):
        viewer.get("/api/snapshots")


def test_picture_is_served_with_an_etag_and_answered_304(viewer: APIClient) -> None:
    data = make_picture(1)
    result = accept_picture(data, camera=CameraFactory(), name="a.jpg")
    address = f"/api/snapshots/{result.snapshot_id}/image"
    answer = viewer.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer.getvalue() == data
    assert "private" in answer["Cache-Control"]
    assert viewer.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_latest_picture_is_the_newest_whole_one(viewer: APIClient) -> None:
    camera = CameraFactory()
    newest = make_picture(2)
    for name, data in (
        ("20260314215801.jpg", make_picture(1)),
        ("20260314215803.jpg", newest),
        ("20260314215804.jpg", b"broken"),
    ):
        accept_picture(data, camera=camera, name=name)
    answer = viewer.get(f"/api/cameras/{camera.pk}/snapshot")
    assert answer.getvalue() == newest
    assert answer["Content-Location"].startswith("/api/snapshots/")


def test_camera_without_a_picture_says_so(viewer: APIClient) -> None:
    answer = viewer.get(f"/api/cameras/{CameraFactory().pk}/snapshot")
    assert (answer.status_code, answer.json()["code"]) == (404, "MEDIA_NOT_FOUND")


def test_bytes_of_what_failed_are_never_served(viewer: APIClient) -> None:
    result = accept_picture(b"<script>", camera=CameraFactory(), name="a.jpg")
    assert viewer.get(f"/api/snapshots/{result.snapshot_id}/image").status_code == 404


# Who sees what


def test_key_limited_to_cameras_sees_nothing_of_others() -> None:
    mine, others = SnapshotFactory(), SnapshotFactory()
    zone = ZoneFactory(camera=others.camera)
    key = with_key(Role.OPERATOR, mine.camera_id)
    assert ids(key.get("/api/cameras")) == [mine.camera_id]
    assert ids(key.get("/api/snapshots")) == [mine.pk]
    assert ids(key.get(f"/api/snapshots?camera={others.camera_id}")) == []
    camera = f"/api/cameras/{others.camera_id}"
    assert key.get(f"/api/snapshots/{others.pk}").status_code == 404
    assert key.get(f"/api/snapshots/{others.pk}/image").status_code == 404
    for address in (camera, f"{camera}/snapshot", f"{camera}/zones", f"{camera}/zones/{zone.pk}"):
        assert key.get(address).status_code == 404, address
    assert key.patch(camera, {"name": "mine"}).status_code == 404
    assert key.delete(camera).status_code == 404
    assert key.post(f"{camera}/restore").status_code == 404
    assert key.delete(f"{camera}/zones/{zone.pk}").status_code == 404
    assert key.post(f"{camera}/zones", {"name": "a", "coordinates": TRIANGLE}).status_code == 404


def test_key_limited_to_cameras_makes_no_other() -> None:
    key = with_key(Role.OPERATOR, "gate")
    assert key.post("/api/cameras", {"name": "Yard"}).status_code == 403
    assert key.post("/api/cameras", {"name": "Gate", "id": "gate"}).status_code == 201


def test_uploader_reads_nothing() -> None:
    snapshot = SnapshotFactory()
    key = with_key(Role.UPLOADER)
    for address in ("/api/cameras", f"/api/cameras/{snapshot.camera_id}", "/api/snapshots"):
        assert key.get(address).status_code == 403
