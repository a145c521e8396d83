"""Admin pages of cameras, zones and snapshots."""

from typing import Any

import pytest
from django.test import Client

from cameras.models import Camera, Zone
from tests.factories import CameraFactory, SnapshotFactory, UserFactory, ZoneFactory

pytestmark = pytest.mark.django_db

INLINES = ("zones", "masks", "detection_limits", "folders")
NO_ZONES = {f"{name}-{part}": "0" for name in INLINES for part in ("TOTAL_FORMS", "INITIAL_FORMS")}
FORM = {
    "name": "Front Door",
    "id": "",
    "folder_path": "",
    "timezone": "",
    "status": "unknown",
    "offline_after_seconds": "86400",
    "timer_pictures": "skip",
    "retention_days": "",
} | NO_ZONES


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(UserFactory(is_superuser=True))
    return client


def test_camera_list_costs_the_same_for_many(admin: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        SnapshotFactory()
    with django_assert_max_num_queries(6):
        page = admin.get("/admin/cameras/camera/")
    assert page.content.count(b"/image") >= 10


def test_snapshot_list_costs_the_same_for_many(admin: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        SnapshotFactory()
    with django_assert_max_num_queries(8):
        assert admin.get("/admin/cameras/snapshot/").status_code == 200


def test_camera_is_added_with_an_id_from_its_name(admin: Client) -> None:
    answer = admin.post("/admin/cameras/camera/add/", FORM)
    assert answer.status_code == 302, answer.content.decode()
    camera = Camera.objects.get_by_id("front_door")
    assert camera is not None and camera.folder_path == "front_door"


@pytest.mark.parametrize(
    "change",
    [{"folder_path": "../out"}, {"timezone": "Mars/Olympus"}, {"name": "Taken"}, {"id": "taken"}, {"name": ""}],
)
def test_bad_camera_is_shown_again(admin: Client, change: dict[str, str]) -> None:
    CameraFactory(id="taken", name="Taken")
    answer = admin.post("/admin/cameras/camera/add/", FORM | change)
    assert answer.status_code == 200
    assert Camera.objects.count() == 1


def test_camera_is_changed_without_touching_what_the_intake_sets(admin: Client) -> None:
    camera = CameraFactory(id="gate")
    change = FORM | {"name": "New", "folder_path": "gate"}
    assert admin.post("/admin/cameras/camera/gate/change/", change).status_code == 302
    camera.refresh_from_db()
    assert (camera.pk, camera.name) == ("gate", "New")


def test_zone_is_added_on_the_page_of_its_camera(admin: Client) -> None:
    CameraFactory(id="gate", name="Gate")
    zone = {
        "zones-TOTAL_FORMS": "1",
        "zones-INITIAL_FORMS": "0",
        "zones-0-name": "Path",
        "zones-0-zone_type": "driveway",
        "zones-0-coordinates": "[[0, 0], [1, 0], [1, 1]]",
        "zones-0-color": "#ff0000",
        "zones-0-enabled": "on",
        "zones-0-priority": "0",
    }
    answer = admin.post("/admin/cameras/camera/gate/change/", FORM | {"name": "Gate", "folder_path": "gate"} | zone)
    assert answer.status_code == 302, answer.content.decode()
    assert Zone.objects.get_all()[0].camera_id == "gate"


def test_zone_that_is_no_polygon_is_refused(admin: Client) -> None:
    camera = CameraFactory()
    body = {"name": "a", "camera": camera.pk, "zone_type": "yard", "coordinates": "[[0,0],[1,1]]", "color": "#ffffff"}
    answer = admin.post("/admin/cameras/zone/add/", body | {"priority": "0"})
    assert answer.status_code == 200
    assert b"at least 3 points" in answer.content


@pytest.mark.parametrize("action", ["delete_cameras", "restore_cameras"])
def test_actions_delete_and_restore(admin: Client, action: str) -> None:
    camera = CameraFactory()
    if action == "restore_cameras":
        Camera.objects.mark_deleted(camera.pk)
    admin.post("/admin/cameras/camera/", {"action": action, "_selected_action": [camera.pk]})
    assert (Camera.objects.get_active(camera.pk) is None) == (action == "delete_cameras")


def test_snapshot_is_looked_at_only(admin: Client) -> None:
    snapshot = SnapshotFactory()
    page = admin.get(f"/admin/cameras/snapshot/{snapshot.pk}/change/")
    assert page.status_code == 200
    assert f"/api/snapshots/{snapshot.pk}/image".encode() in page.content
    assert admin.get("/admin/cameras/snapshot/add/").status_code == 403
    assert admin.post(f"/admin/cameras/snapshot/{snapshot.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("address", ["camera/?q=a", "zone/?q=a", "snapshot/?q=a", "camera/add/", "zone/add/"])
def test_pages_open(admin: Client, address: str) -> None:
    ZoneFactory()
    SnapshotFactory()
    assert admin.get(f"/admin/cameras/{address}").status_code == 200
