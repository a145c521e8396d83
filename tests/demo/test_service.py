"""The demo from its making to its end."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from alerts.models import AlertRule, Channel
from cameras.models import Camera, Snapshot
from cameras.services import accept_upload
from siteadmin.demo.service import LASTS, create_demo, draw_due_pictures, remove_demo
from siteadmin.setup import set_up_site
from tests.factories import CameraFactory, SnapshotFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(db: None) -> None:
    create_demo(inbox=Channel.objects.get_or_create_inbox())


def pictures(settings: Any) -> list[Path]:
    return sorted(path for path in Path(settings.CAMERA_ROOT).rglob("*.jpg") if not path.name.startswith("."))


def test_the_first_picture_comes_at_once_into_a_demo_cameras_folder(demo: None, settings: Any) -> None:
    result = draw_due_pictures()

    assert result.drawn == ("demo_front_door",)
    (path,) = pictures(settings)
    assert path.parent == Path(settings.CAMERA_ROOT) / "demo_front_door" / "snap"
    assert path.name.startswith("MDAlarm_")


def test_a_drawn_picture_is_taken_in_like_a_cameras_own(demo: None, settings: Any) -> None:
    draw_due_pictures()

    result = accept_upload(pictures(settings)[0])

    assert result.camera_id == "demo_front_door"
    assert Snapshot.objects.get_by_id(result.snapshot_id).state == "received"  # type: ignore[union-attr]


def test_the_demo_ends_after_ten_minutes(demo: None) -> None:
    assert draw_due_pictures(now=timezone.now() + LASTS + timedelta(seconds=1)).drawn == ()


def test_the_first_real_picture_ends_the_demo(demo: None) -> None:
    SnapshotFactory()

    assert draw_due_pictures().drawn == ()


def test_removing_takes_all_of_it_and_nothing_else(demo: None, settings: Any) -> None:
    real = CameraFactory(id="real")
    draw_due_pictures()
    accept_upload(pictures(settings)[0])

    assert remove_demo() == 2

    assert [camera.pk for camera in Camera.objects.get_all()] == [real.pk]
    assert AlertRule.objects.count() == 0
    assert Snapshot.objects.count() == 0
    assert pictures(settings) == []
    assert [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()] == []
    assert remove_demo() == 0


def test_the_command_says_what_it_removed(demo: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("demo", "--remove")
    call_command("demo", "--remove")

    assert capsys.readouterr().out.splitlines() == ["Removed 2 demo cameras.", "There is no demo."]


def test_a_fresh_site_gets_an_admin_an_inbox_and_the_demo_once(db: None, settings: Any) -> None:
    settings.DEMO = True

    first, second = set_up_site(), set_up_site()

    assert (first.admin_name, first.has_demo, len(first.admin_password) >= 16) == ("admin", True, True)
    assert (second.admin_name, second.admin_password, second.has_demo) == ("", "", False)
    assert Camera.objects.count() == 2
    assert [channel.kind for channel in Channel.objects.get_all()] == ["inbox"]


def test_a_given_password_is_used_and_never_shown(db: None, settings: Any) -> None:
    settings.ADMIN_PASSWORD = "given-Passphrase-7"

    assert set_up_site().admin_password == ""
