"""What a camera's wrong clock leaves on its page."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cameras.models import Camera
from cameras.services import accept_upload
from tests.cameras.pictures import drop
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings: Any) -> Path:
    CameraFactory(id="gate", folder_path="gate")
    return Path(settings.CAMERA_ROOT)


def fault() -> Any:
    camera = Camera.objects.get_by_id("gate")
    assert camera is not None
    return camera.clock_fault


def test_time_before_2010_is_a_fault_that_page_and_api_show(root: Path, client: Client, key_client: Any) -> None:
    accept_upload(drop(root, "gate/MDAlarm_19700101-000012.jpg"))
    assert fault()["stated"] == "1970-01-01T00:00:12"
    shown = key_client("viewer").get("/api/cameras/gate").json()["clock_fault"]
    assert (set(shown), shown["stated"]) == ({"at", "stated", "reason"}, "1970-01-01T00:00:12")
    client.force_login(UserFactory(is_superuser=True))
    assert "before 2010" in client.get("/admin/cameras/camera/gate/change/").content.decode()
    assert "before 2010" in client.get("/").content.decode()


def test_time_ahead_is_a_fault_until_a_right_one_comes(root: Path) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    accept_upload(drop(root, f"gate/MDAlarm_{ahead:%Y%m%d-%H%M%S}.jpg", seed=1))
    assert "ahead" in fault()["reason"]
    accept_upload(drop(root, "gate/image.jpg", seed=2))
    assert fault() is not None, "a picture that states nothing says nothing of the clock"
    accept_upload(drop(root, f"gate/MDAlarm_{timezone.now():%Y%m%d-%H%M%S}.jpg", seed=3))
    assert fault() is None


def test_few_minutes_ahead_are_no_fault(root: Path) -> None:
    ahead = timezone.now() + timedelta(minutes=4)
    accept_upload(drop(root, f"gate/MDAlarm_{ahead:%Y%m%d-%H%M%S}.jpg"))
    assert fault() is None
