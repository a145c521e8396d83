"""Masks, detection limits and a camera's detector, by the API and the admin pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from cameras.models import Camera, DetectionLimit, Mask
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db

TRIANGLE = [[0, 0], [1, 0], [1, 1]]
LIMITS = "/api/detection-limits"


@pytest.fixture
def operator(client_as: Callable[[str], APIClient]) -> APIClient:
    return client_as("operator")


def test_mask_lives_its_whole_life(operator: APIClient) -> None:
    masks = f"/api/cameras/{CameraFactory().pk}/masks"
    made = operator.post(masks, {"name": "Street", "coordinates": TRIANGLE, "object_types": ["car"]})
    one = f"{masks}/{made.json()['id']}"

    assert (made.status_code, made.json()["enabled"], made.json()["object_types"]) == (201, True, ["car"])
    assert operator.patch(one, {"enabled": False}).json()["enabled"] is False
    assert [row["id"] for row in operator.get(masks).json()["results"]] == [made.json()["id"]]
    assert operator.delete(one).status_code == 204
    assert operator.get(one).json()["code"] == "MASK_NOT_FOUND"


def test_name_of_a_mask_is_unique_for_its_camera(operator: APIClient) -> None:
    masks, body = f"/api/cameras/{CameraFactory().pk}/masks", {"name": "Street", "coordinates": TRIANGLE}

    assert [operator.post(masks, body).status_code for _ in range(2)] == [201, 409]


@pytest.mark.parametrize("change", [{"coordinates": [[0, 0], [1, 1]]}, {"color": "#ffffff"}, {"object_types": [""]}])
def test_bad_mask_is_refused(operator: APIClient, change: dict[str, Any]) -> None:
    masks = f"/api/cameras/{CameraFactory().pk}/masks"

    assert operator.post(masks, {"name": "Street", "coordinates": TRIANGLE} | change).status_code == 400


def test_limit_lives_its_whole_life(operator: APIClient) -> None:
    camera = CameraFactory()
    made = operator.post(LIMITS, {"camera": camera.pk, "object_type": "person", "min_confidence": 0.7})
    everywhere = operator.post(LIMITS, {"min_area": 0.001})
    one = f"{LIMITS}/{made.json()['id']}"

    assert (made.status_code, everywhere.status_code, everywhere.json()["camera"]) == (201, 201, None)
    assert operator.patch(one, {"max_area": 0.5}).json()["max_area"] == 0.5
    assert len(operator.get(LIMITS).json()["results"]) == 2
    assert len(operator.get(f"{LIMITS}?camera={camera.pk}").json()["results"]) == 1
    assert operator.delete(one).status_code == 204
    assert operator.get(one).json()["code"] == "DETECTION_LIMIT_NOT_FOUND"


@pytest.mark.parametrize("body", [{}, {"object_type": "car"}])
def test_a_second_limit_for_the_same_is_a_conflict(operator: APIClient, body: dict[str, Any]) -> None:
    assert [operator.post(LIMITS, body).status_code for _ in range(2)] == [201, 409]


@pytest.mark.parametrize(
    "body", [{"min_confidence": 1.1}, {"min_area": -0.1}, {"min_area": 0.5, "max_area": 0.4}, {"camera": "nope"}]
)
def test_bad_limit_is_refused(operator: APIClient, body: dict[str, Any]) -> None:
    assert operator.post(LIMITS, body).status_code == 400
    assert not DetectionLimit.objects.exists()


def test_a_key_for_some_cameras_sees_and_makes_theirs_alone(key_client: Callable[..., APIClient]) -> None:
    mine, others = CameraFactory(), CameraFactory()
    limits = [DetectionLimit.objects.create(DetectionLimit(camera=camera)) for camera in (mine, others, None)]
    mask = Mask.objects.create(Mask(camera=others, name="Street", coordinates=TRIANGLE))
    key = key_client("operator", cameras=(mine.pk,))

    assert [row["id"] for row in key.get(LIMITS).json()["results"]] == [limits[0].pk]
    assert key.delete(f"{LIMITS}/{limits[2].pk}").status_code == 404
    assert key.post(LIMITS, {"object_type": "car"}).status_code == 403
    assert key.patch(f"{LIMITS}/{limits[0].pk}", {"camera": None}).status_code == 403
    assert key.get(f"/api/cameras/{others.pk}/masks/{mask.pk}").status_code == 404


def test_viewers_read_and_change_nothing(client_as: Callable[[str], APIClient]) -> None:
    camera, viewer = CameraFactory(), client_as("viewer")

    assert viewer.get(f"/api/cameras/{camera.pk}/masks").status_code == 200
    assert viewer.post(f"/api/cameras/{camera.pk}/masks", {"name": "a", "coordinates": TRIANGLE}).status_code == 403
    assert viewer.post(LIMITS, {}).status_code == 403


class TestDetector:
    def test_a_camera_names_one_that_is_configured(self, operator: APIClient, settings: Any) -> None:
        settings.DETECTOR_URL = "http://localhost:32168"
        address = f"/api/cameras/{CameraFactory().pk}"

        assert operator.get(address).json()["detector"] == ""
        assert operator.patch(address, {"detector": "http"}).json()["detector"] == "http"
        assert operator.patch(address, {"detector": ""}).json()["detector"] == ""

    @pytest.mark.parametrize("name", ["onnx", "os.system", "OPENCV"])
    def test_any_other_is_refused(self, operator: APIClient, name: str) -> None:
        answer = operator.patch(f"/api/cameras/{CameraFactory().pk}", {"detector": name})

        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "detector")

    def test_the_form_offers_what_is_configured(self, settings: Any) -> None:
        settings.ONNX_MODEL = "/models/yolo.onnx"
        client = Client()
        client.force_login(UserFactory(is_superuser=True))

        page = client.get(f"/admin/cameras/camera/{CameraFactory(id='gate').pk}/change/").content.decode()

        assert 'value="onnx"' in page
        assert 'value="http"' not in page

    def test_the_form_saves_it(self, settings: Any) -> None:
        settings.ONNX_MODEL = "/models/yolo.onnx"
        camera = CameraFactory(id="gate", detector="")
        client = Client()
        client.force_login(UserFactory(is_superuser=True))
        inlines = {
            f"{name}-{part}": 0
            for name in ("zones", "masks", "detection_limits", "folders")
            for part in ("TOTAL_FORMS", "INITIAL_FORMS")
        }
        fields = {"name": camera.name, "folder_path": camera.folder_path, "status": "unknown", "detector": "onnx"}

        client.post(
            f"/admin/cameras/camera/{camera.pk}/change/",
            {**fields, **inlines, "offline_after_seconds": 60, "timer_pictures": "skip"},
        )

        assert Camera.objects.get_by_id(camera.pk).detector == "onnx"
