"""Uploads of unknown folders as an operator meets them."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cameras.models import Camera, UnassignedUpload
from cameras.services import accept_upload
from tests.cameras.pictures import drop, make_picture
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/cameras/unassignedupload/"


@pytest.fixture
def upload(settings: Any) -> UnassignedUpload:
    """Have a picture wait in a folder that is no camera's."""
    settings.AUTO_CREATE_CAMERAS = False
    picture = make_picture(1, size=(640, 480))
    accept_upload(
        drop(Path(settings.CAMERA_ROOT), "FI9800P_00123E45E060/snap/MDAlarm_20260314-215800.jpg", data=picture)
    )
    return UnassignedUpload.objects.get()


def test_one_click_in_the_list_makes_the_camera(upload: UnassignedUpload, admin_page: Page) -> None:
    admin_page.goto(LIST)

    admin_page.get_by_role("button", name="Make a camera").click()

    expect(admin_page.get_by_text("1 assigned; the pictures are on their way.")).to_be_visible()
    assert [camera.folder_path for camera in Camera.objects.get_all()] == [upload.folder]


def test_its_page_shows_the_picture_and_assigns_the_folder(upload: UnassignedUpload, admin_page: Page) -> None:
    gate = CameraFactory(id="gate", name="Gate")
    admin_page.goto(LIST)
    admin_page.get_by_role("link", name="snap/MDAlarm").click()
    picture = admin_page.locator("img.sa-picture")
    expect(picture).to_be_visible()
    assert picture.evaluate("(img) => img.naturalWidth") == 640
    expect(admin_page.get_by_text("Foscam, MAC 00:12:3E:45:E0:60, named FI9800P")).to_be_visible()

    admin_page.get_by_label("It belongs to").select_option(label="Gate")
    admin_page.get_by_role("button", name="Assign", exact=True).click()

    expect(admin_page.get_by_text("1 assigned; the pictures are on their way.")).to_be_visible()
    assert [folder.folder_path for folder in gate.folders.all()] == [upload.folder]


def test_our_part_of_the_page_breaks_no_accessibility_rule_and_fits_a_phone(
    upload: UnassignedUpload, admin_page: Page
) -> None:
    CameraFactory(name="Gate")
    admin_page.set_viewport_size({"width": 360, "height": 740})
    admin_page.goto(f"{LIST}{upload.pk}/change/")

    found = Axe().run(admin_page, context=".sa-event", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert found.violations_count == 0, found.generate_report()
    assert admin_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
