"""Uploads in folders that are no camera's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cameras.models import Camera, CameraFolder, Snapshot, UnassignedUpload
from cameras.results import IntakeOutcome
from cameras.services import (
    accept_upload,
    admit_upload,
    assign_folder,
    create_camera,
    discard_upload,
    release_waiting,
    unassigned,
)
from siteadmin.core import media
from siteadmin.core.exceptions import DuplicateResourceError, InvalidStateTransitionError
from siteadmin.core.pipeline import Step
from tests.cameras.pictures import drop, make_picture
from tests.core.threads import run_together
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db

FOSCAM = "FI9800P_00123E45E060/snap/MDAlarm_20260314-215800.jpg"
FOLDER = "FI9800P_00123E45E060"
UPLOADS = "/admin/cameras/unassignedupload/"


@pytest.fixture(autouse=True)
def no_cameras_by_themselves(settings: Any) -> None:
    settings.AUTO_CREATE_CAMERAS = False


@pytest.fixture
def root(settings: Any) -> Path:
    return Path(settings.CAMERA_ROOT)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, int]]:
    """Give the steps that are asked for."""
    steps: list[tuple[Step, int]] = []
    monkeypatch.setattr(unassigned, "dispatch", lambda step, row_id: steps.append((step, row_id)))
    return steps


def only() -> UnassignedUpload:
    uploads = UnassignedUpload.objects.get_all()
    assert len(uploads) == 1
    return uploads[0]


def admit_all() -> None:
    for upload in UnassignedUpload.objects.get_all():
        admit_upload(upload.pk)


def test_upload_of_an_unknown_folder_waits_with_its_picture_and_guessed_camera(root: Path) -> None:
    path = drop(root, FOSCAM)
    data = path.read_bytes()

    assert accept_upload(path).outcome is IntakeOutcome.UNASSIGNED

    upload = only()
    assert (upload.folder, upload.name) == (FOLDER, "snap/MDAlarm_20260314-215800.jpg")
    assert (upload.maker, upload.mac, upload.alias) == ("Foscam", "00:12:3E:45:E0:60", "FI9800P")
    assert (upload.width, upload.trigger, upload.error, upload.due_at) == (64, "alarm", "", None)
    with media.open_file(upload.file) as file:
        assert file.read() == data
    assert not path.exists()
    assert Camera.objects.count() == Snapshot.objects.count() == 0


def test_recorders_channel_is_told(root: Path, admin: Client, key_client: Any) -> None:
    accept_upload(drop(root, "DVR/192.168.1.64_02_20260314215803250_MOTION_DETECTION.jpg"))

    (row,) = key_client("operator").get("/api/unassigned-uploads").json()["results"]

    assert (row["maker"], row["ip"], row["channel"]) == ("Hikvision", "192.168.1.64", 2)
    assert "Hikvision, address 192.168.1.64, channel 2" in admin.get(UPLOADS).content.decode()


def test_same_upload_waits_once(root: Path) -> None:
    for _ in range(3):
        accept_upload(drop(root, FOSCAM))
    assert UnassignedUpload.objects.count() == 1


def test_original_stays_where_it_is_to_be_kept(root: Path, settings: Any) -> None:
    settings.INGEST_KEEP_ORIGINALS = True
    path = drop(root, FOSCAM)
    accept_upload(path)
    assert path.exists() and only()


def test_growing_file_is_left_alone_and_a_broken_one_waits_with_the_reason(root: Path) -> None:
    path = drop(root, FOSCAM, make_picture(1, size=(320, 240))[:-400])
    assert accept_upload(path, final=False).outcome is IntakeOutcome.UNDECIDED
    accept_upload(path)
    assert "cut off" in only().error
    assert only().width is None


def test_known_folder_goes_straight_to_its_camera(root: Path) -> None:
    CameraFactory(id="gate", folder_path="gate")
    assert accept_upload(drop(root, "gate/a.jpg")).outcome is IntakeOutcome.STORED
    assert UnassignedUpload.objects.count() == 0


def test_one_click_makes_the_camera_and_everything_goes_through_once(root: Path, asked: list[Any]) -> None:
    for second in range(5):
        accept_upload(drop(root, FOSCAM.replace("215800", f"21580{second}"), seed=second))
    accept_upload(drop(root, "other/a.jpg"))
    upload = UnassignedUpload.objects.get_all()[0]
    arrived = upload.received_at

    camera = assign_folder(upload)
    admit_all()
    admit_all()

    assert (camera.pk, camera.name, camera.folder_path) == ("fi9800p_00123e45e060", FOLDER, FOLDER)
    assert len(asked) == 5
    snapshots = Snapshot.objects.get_all()
    assert [snapshot.captured_at for snapshot in snapshots] == [
        datetime(2026, 3, 14, 21, 58, second, tzinfo=UTC) for second in range(5)
    ]
    assert snapshots[0].received_at == arrived
    assert [upload.folder for upload in UnassignedUpload.objects.get_all()] == ["other"]
    assert not media.exists(upload.file)
    assert media.exists(snapshots[0].file)


def test_folder_is_assigned_to_a_camera_and_stays_its(root: Path) -> None:
    camera = CameraFactory(id="gate", folder_path="gate")
    accept_upload(drop(root, FOSCAM, seed=1))

    assign_folder(only(), camera_id="gate")
    admit_all()
    later = accept_upload(drop(root, FOSCAM.replace("215800", "215803"), seed=2))

    assert (later.outcome, later.camera_id) == (IntakeOutcome.STORED, "gate")
    assert {snapshot.camera_id for snapshot in Snapshot.objects.get_all()} == {"gate"}
    assert [folder.folder_path for folder in CameraFolder.objects.get_all()] == [FOLDER]
    assert camera.folders.count() == 1


def test_assigning_twice_changes_nothing_and_to_another_camera_is_refused(root: Path) -> None:
    CameraFactory(id="gate", folder_path="gate")
    CameraFactory(id="yard", folder_path="yard")
    accept_upload(drop(root, FOSCAM))
    upload = only()
    for _ in range(2):
        assert assign_folder(upload, camera_id="gate").pk == "gate"
    with pytest.raises(DuplicateResourceError):
        assign_folder(upload, camera_id="yard")
    with pytest.raises(DuplicateResourceError):
        assign_folder(upload)


@pytest.mark.parametrize("folder", [FOLDER, "elsewhere"])
def test_camera_made_in_any_other_way_lets_them_through_too(root: Path, folder: str) -> None:
    accept_upload(drop(root, FOSCAM))
    assert release_waiting().released == 0
    create_camera(fields={"name": FOLDER, "folder_path": folder})

    assert release_waiting().released == 1
    assert release_waiting().released == 0
    admit_all()

    assert Snapshot.objects.get_all()[0].camera_id == "fi9800p_00123e45e060"


def test_deeper_folder_takes_its_own_alone(root: Path) -> None:
    accept_upload(drop(root, "house/inner/snap/a.jpg", seed=1))
    accept_upload(drop(root, "house/b.jpg", seed=2))
    CameraFactory(id="inner", folder_path="house/inner")

    assert release_waiting().released == 1
    admit_all()

    snapshot = Snapshot.objects.get_all()[0]
    assert (snapshot.camera_id, snapshot.name) == ("inner", "snap/a.jpg")
    assert only().name == "b.jpg"


@pytest.mark.parametrize("step", ["accept_stored", "media.delete"])
def test_kill_in_the_midst_loses_and_doubles_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Killed(BaseException):
        pass

    def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    accept_upload(drop(root, FOSCAM))
    upload = only()
    assign_folder(upload)
    real = unassigned.accept_stored
    if step == "accept_stored":

        def take_then_die(*args: Any, **kwargs: Any) -> None:
            real(*args, **kwargs)
            raise Killed

        monkeypatch.setattr(unassigned, "accept_stored", take_then_die)
    else:
        monkeypatch.setattr(media, "delete", kill)
    with pytest.raises(Killed):
        admit_upload(upload.pk)
    monkeypatch.undo()

    UnassignedUpload.objects.get_queryset().update(due_at=timezone.now() - timedelta(minutes=2))
    admit_upload(upload.pk)

    assert Snapshot.objects.count() == 1
    assert UnassignedUpload.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_eight_workers_take_each_in_once(root: Path) -> None:
    for number in range(6):
        accept_upload(drop(root, f"gate/{number}.jpg", seed=number))
    uploads = UnassignedUpload.objects.get_all()
    assign_folder(uploads[0])
    run_together(lambda _: [admit_upload(upload.pk) for upload in uploads], workers=8)
    assert Snapshot.objects.count() == 6
    assert UnassignedUpload.objects.count() == 0


def test_discarded_upload_is_gone_with_its_file(
    root: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    accept_upload(drop(root, FOSCAM))
    upload = only()
    with django_capture_on_commit_callbacks(execute=True):
        discard_upload(upload)
    assert not media.exists(upload.file)
    with pytest.raises(InvalidStateTransitionError):
        discard_upload(upload)


def test_api_lists_shows_assigns_and_discards(root: Path, key_client: Any) -> None:
    for seed in (1, 2):
        accept_upload(drop(root, FOSCAM.replace("215800", f"21580{seed}"), seed=seed))
    client = key_client("operator")
    body = client.get("/api/unassigned-uploads").json()["results"]
    assert [(row["folder"], row["mac"]) for row in body] == [(FOLDER, "00:12:3E:45:E0:60")] * 2
    image = client.get(f"/api/unassigned-uploads/{body[0]['id']}/image")
    assert (image.status_code, image["Content-Type"]) == (200, "image/jpeg")
    assert b"".join(image.streaming_content)

    assert client.post(f"/api/unassigned-uploads/{body[1]['id']}/discard").status_code == 204
    made = client.post(f"/api/unassigned-uploads/{body[0]['id']}/assign", {"create": {"name": "Gate", "id": "gate"}})

    assert (made.status_code, made.json()["folder_path"]) == (202, FOLDER), made.content
    admit_all()
    assert client.get("/api/unassigned-uploads").json()["results"] == []
    assert Snapshot.objects.get_all()[0].camera_id == "gate"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"camera": "gate", "create": {}}, 400),
        ({"camera": "nope"}, 404),
        ({"create": {"folder_path": "x"}}, 400),
    ],
)
def test_api_refuses_half_an_answer(root: Path, key_client: Any, body: dict[str, Any], status: int) -> None:
    accept_upload(drop(root, FOSCAM))
    answer = key_client("operator").post(f"/api/unassigned-uploads/{only().pk}/assign", body)
    assert answer.status_code == status, answer.content


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("reviewer", 403), ("uploader", 403), ("operator", 200)])
def test_only_operators_see_them(key_client: Any, role: str, status: int) -> None:
    assert key_client(role).get("/api/unassigned-uploads").status_code == status


def test_they_are_hidden_from_those_limited_to_cameras(root: Path, key_client: Any) -> None:
    accept_upload(drop(root, FOSCAM))
    client = key_client("operator", cameras=("gate",))
    assert client.get("/api/unassigned-uploads").json()["results"] == []
    assert client.get(f"/api/unassigned-uploads/{only().pk}/image").status_code == 404


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(UserFactory(is_superuser=True))
    return client


@pytest.mark.parametrize(
    ("pressed", "expected"),
    [({}, "fi9800p_00123e45e060"), ({"make": ""}, "fi9800p_00123e45e060"), ({"assign": "", "camera": "gate"}, "gate")],
)
def test_one_click_lets_all_of_the_folder_through(
    root: Path, admin: Client, pressed: dict[str, str], expected: str
) -> None:
    CameraFactory(id="gate", folder_path="gate")
    accept_upload(drop(root, FOSCAM, seed=1))
    accept_upload(drop(root, FOSCAM.replace("215800", "215803"), seed=2))
    upload = UnassignedUpload.objects.get_all()[0]
    button = f"{UPLOADS}{upload.pk}/assign/"
    assert f'formaction="{button}"' in admin.get(UPLOADS).content.decode()
    assert f'action="{button}"' in admin.get(f"{UPLOADS}{upload.pk}/change/").content.decode()

    page = admin.post(button, pressed, follow=True)
    admit_all()

    assert "1 assigned; the pictures are on their way." in page.content.decode()
    assert {snapshot.camera_id for snapshot in Snapshot.objects.get_all()} == {expected}
    assert Snapshot.objects.count() == 2
    assert "assigned or discarded already" in admin.post(button, follow=True).content.decode()


def test_button_takes_a_post_of_somebody_who_may_and_a_camera_that_is_there(root: Path, admin: Client) -> None:
    accept_upload(drop(root, FOSCAM))
    button = f"{UPLOADS}{only().pk}/assign/"

    assert admin.get(button).status_code == 405
    assert "Choose the camera first" in admin.post(button, {"assign": ""}, follow=True).content.decode()
    assert (
        "Camera with id &#x27;nope&#x27; not found"
        in admin.post(button, {"assign": "", "camera": "nope"}, follow=True).content.decode()
    )
    viewer = Client()
    viewer.force_login(UserFactory(role="viewer"))
    assert viewer.post(button).status_code == 403
    assert UnassignedUpload.objects.count() == 1


@pytest.mark.parametrize(
    ("action", "camera", "expected"),
    [("make_cameras", "", "fi9800p_00123e45e060"), ("assign_to_camera", "gate", "gate")],
)
def test_action_takes_many_at_once(root: Path, admin: Client, action: str, camera: str, expected: str) -> None:
    CameraFactory(id="gate", folder_path="gate")
    accept_upload(drop(root, FOSCAM, seed=1))
    accept_upload(drop(root, FOSCAM.replace("215800", "215803"), seed=2))
    page = admin.get(UPLOADS).content.decode()
    assert FOLDER in page and "/image" in page

    chosen = {"action": action, "_selected_action": [UnassignedUpload.objects.get_all()[0].pk], "camera": camera}
    admin.post(UPLOADS, chosen)
    admit_all()

    assert {snapshot.camera_id for snapshot in Snapshot.objects.get_all()} == {expected}
    assert Snapshot.objects.count() == 2


def test_page_of_one_opens_and_the_dashboard_counts_them(root: Path, admin: Client) -> None:
    accept_upload(drop(root, FOSCAM))
    assert admin.get(f"{UPLOADS}{only().pk}/change/").status_code == 200
    assert "Uploads without a camera" in admin.get("/").content.decode()
