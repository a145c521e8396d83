"""Uploading pictures over HTTP."""

import base64
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from cameras.models import Camera, Snapshot
from siteadmin.core import media
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.cameras.pictures import make_picture
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db

NAME = "MDAlarm_20260314-215800.jpg"


@pytest.fixture
def camera() -> Camera:
    made: Camera = CameraFactory(id="gate", folder_path="gate")
    return made


@pytest.fixture
def uploader(camera: Camera) -> APIClient:
    client = APIClient()
    _, key = create_api_key(name="cam", role=Role.UPLOADER, camera_ids=[camera.pk])
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def upload(client: APIClient, data: bytes, *, name: str = NAME, camera: str = "gate", **fields: Any) -> Any:
    body = {"file": SimpleUploadedFile(name, data, "image/jpeg"), **fields}
    return client.post(f"/api/cameras/{camera}/snapshots", body, format="multipart")


def test_the_snapshot_says_which_request_brought_it(uploader: APIClient) -> None:
    uploader.credentials(**uploader._credentials, HTTP_X_REQUEST_ID="abc")

    upload(uploader, make_picture())

    assert Snapshot.objects.get_all()[0].request_id == "abc"


def test_uploaded_picture_is_accepted_with_its_snapshot(uploader: APIClient) -> None:
    answer = upload(uploader, make_picture(1))
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["camera"], body["state"], body["trigger"]) == ("gate", "received", "alarm")
    assert datetime.fromisoformat(body["captured_at"]) == datetime(2026, 3, 14, 21, 58, tzinfo=UTC)
    assert body["name"] == NAME


def test_same_picture_again_gives_the_first(uploader: APIClient) -> None:
    first = upload(uploader, make_picture(1)).json()
    again = upload(uploader, make_picture(1))
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert Snapshot.objects.count() == 1


def test_stated_time_is_taken_and_part_of_the_identity(uploader: APIClient) -> None:
    first = upload(uploader, make_picture(1), captured_at="2026-03-14T21:58:00+01:00")
    assert datetime.fromisoformat(first.json()["captured_at"]) == datetime(2026, 3, 14, 20, 58, tzinfo=UTC)
    assert upload(uploader, make_picture(1), captured_at="2026-03-14T20:58:00Z").status_code == 200
    assert upload(uploader, make_picture(1), captured_at="2026-03-14T20:58:01Z").status_code == 202


@pytest.mark.parametrize("captured_at", ["yesterday", "2026-03-14T21:58:00", "2026-13-14T21:58:00Z"])
def test_bad_time_is_refused(uploader: APIClient, captured_at: str) -> None:
    answer = upload(uploader, make_picture(1), captured_at=captured_at)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "captured_at")
    assert Snapshot.objects.count() == 0


def test_raw_body_is_a_picture(uploader: APIClient) -> None:
    data = make_picture(1)
    answer = uploader.post("/api/cameras/gate/snapshots", data, content_type="image/jpeg")
    assert answer.status_code == 202, answer.content
    snapshot = Snapshot.objects.get_all()[0]
    assert snapshot.name == "upload.jpeg"
    with media.open_file(snapshot.file) as file:
        assert file.read() == data


def test_raw_body_may_have_a_name(uploader: APIClient) -> None:
    answer = uploader.post(
        "/api/cameras/gate/snapshots",
        make_picture(1),
        content_type="image/jpeg",
        headers={"Content-Disposition": f'attachment; filename="{NAME}"'},
    )
    assert answer.json()["captured_at"] == "2026-03-14T21:58:00Z"


def test_key_may_come_as_a_basic_password(camera: Camera) -> None:
    _, key = create_api_key(name="cam", role=Role.UPLOADER, camera_ids=[camera.pk])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic " + base64.b64encode(f"anybody:{key}".encode()).decode())
    assert upload(client, make_picture(1)).status_code == 202


@pytest.mark.parametrize("data", [b"", b"text", make_picture(1, size=(320, 240))[:-300]])
def test_broken_picture_is_refused_and_kept_as_failed(uploader: APIClient, data: bytes) -> None:
    answer = upload(uploader, data)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "UNUSABLE_PICTURE")
    snapshot = Snapshot.objects.get_by_id(body["details"]["snapshot_id"])
    assert snapshot is not None and snapshot.state == "failed"
    assert body["detail"] == snapshot.error
    assert media.exists(snapshot.file)
    assert upload(uploader, data).json()["details"]["snapshot_id"] == snapshot.pk


def test_upload_over_the_limit_is_refused(uploader: APIClient, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    for answer in (
        upload(uploader, make_picture(1, size=(640, 480))),
        uploader.post("/api/cameras/gate/snapshots", b"x" * 1001, content_type="image/jpeg"),
        uploader.post("/api/cameras/gate/snapshots", b"x" * 200_000, content_type="image/jpeg"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.json()["details"] == {"limit": 1000}
    assert Snapshot.objects.count() == 0


def test_body_that_is_said_to_be_too_large_is_not_read(uploader: APIClient, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1000

    class Unreadable(BytesIO):
        def read(self, *args: Any) -> bytes:
            raise AssertionError("the body was read")

    answer = uploader.generic(
        "POST",
        "/api/cameras/gate/snapshots",
        content_type="image/jpeg",
        CONTENT_LENGTH="99999999",
        **{"wsgi.input": Unreadable()},
    )
    assert answer.status_code == 413


def test_form_without_a_file_names_the_field(uploader: APIClient) -> None:
    answer = uploader.post("/api/cameras/gate/snapshots", {}, format="multipart")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "file")


def test_unknown_field_is_named(uploader: APIClient) -> None:
    answer = upload(uploader, make_picture(1), trigger="alarm")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "trigger")
    assert Snapshot.objects.count() == 0


def test_json_is_no_picture(uploader: APIClient) -> None:
    assert uploader.post("/api/cameras/gate/snapshots", {"file": "x"}, format="json").status_code == 415


def test_camera_out_of_reach_or_unknown_or_deleted_is_not_found(uploader: APIClient) -> None:
    CameraFactory(id="yard")
    assert upload(uploader, make_picture(1), camera="yard").status_code == 404
    assert upload(uploader, make_picture(1), camera="nope").status_code == 404
    Camera.objects.mark_deleted("gate")
    assert upload(uploader, make_picture(1)).status_code == 404


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("reviewer", 403), ("operator", 202), ("admin", 202)])
def test_roles_that_read_do_not_upload(client_as: Any, camera: Camera, role: str, status: int) -> None:
    assert upload(client_as(role), make_picture(1)).status_code == status


def test_nobody_uploads_nothing(api: APIClient, camera: Camera) -> None:
    answer = upload(api, make_picture(1))
    assert answer.status_code == 401
    assert "Basic" in answer["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["../../etc/passwd.jpg", "a\x00b.jpg", "x" * 400 + ".jpg", "ü 门.jpg"])
def test_any_name_is_taken(uploader: APIClient, name: str) -> None:
    answer = upload(uploader, make_picture(1), name=name)
    assert answer.status_code == 202, answer.content
    assert len(answer.json()["name"]) <= 255
    assert "/" not in answer.json()["name"]


def test_upload_shows_that_the_camera_is_there(uploader: APIClient) -> None:
    upload(uploader, make_picture(1))
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None and camera.status == "online"


@pytest.mark.parametrize("captured_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_clock_in_utc_shows_is_refused(uploader: APIClient, captured_at: str) -> None:
    answer = upload(uploader, make_picture(1), captured_at=captured_at)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "captured_at"


def test_a_file_that_retention_removes_meanwhile_is_stored_again(
    uploader: APIClient, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = []
    hold = Snapshot.objects.hold_files

    def remove_once(names: list[str]) -> list[str]:
        if not removed:
            removed.append(names[0])
            media.delete(names[0])
        return hold(names)

    monkeypatch.setattr(Snapshot.objects, "hold_files", remove_once)

    answer = upload(uploader, make_picture(1))

    assert answer.status_code == 202
    assert media.exists(Snapshot.objects.get(pk=answer.json()["id"]).file)
    assert removed
