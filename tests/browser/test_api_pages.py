"""The browsable pages of the API: what is offered there works."""

import pytest
from playwright.sync_api import Page, expect

from alerts.models import Mode
from cameras.models import Camera
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_json_is_sent_from_the_page_and_what_is_refused_is_shown(admin_page: Page) -> None:
    admin_page.goto("/api/modes")
    expect(admin_page.get_by_role("link", name="HTML form")).to_have_count(0)  # it could hold no switch times

    admin_page.get_by_role("textbox", name="Content:").fill('{"name": "holiday"}')
    admin_page.get_by_role("button", name="POST").click()
    expect(admin_page.locator(".response-info")).to_contain_text("HTTP 201 Created")
    admin_page.get_by_role("textbox", name="Content:").fill('{"name": "holiday"}')
    admin_page.get_by_role("button", name="POST").click()

    expect(admin_page.locator("body")).to_contain_text("A mode with the name 'holiday' exists already")
    assert Mode.objects.get_queryset().filter(name="holiday").count() == 1


def test_a_resource_is_changed_and_deleted_from_its_page(admin_page: Page) -> None:
    CameraFactory(id="gate", name="Gate")
    admin_page.goto("/api/cameras/gate")

    admin_page.get_by_role("textbox", name="Content:").fill('{"name": "Back gate"}')
    admin_page.get_by_role("button", name="PATCH").click()
    expect(admin_page.locator(".response-info")).to_contain_text('"Back gate"')
    admin_page.goto("/api/cameras/gate")
    admin_page.get_by_role("button", name="DELETE", exact=True).click()
    admin_page.locator("#deleteModal .btn-danger").click()

    expect(admin_page.locator(".response-info")).to_contain_text("HTTP 204 No Content")
    found = Camera.objects.get_by_id("gate")
    assert found is not None
    assert (found.name, found.deleted_at is not None) == ("Back gate", True)


def test_the_page_to_try_the_api_sends_with_the_session(admin_page: Page) -> None:
    CameraFactory(id="gate", name="Gate")
    admin_page.goto("/api/docs")

    admin_page.locator("#operations-cameras-cameras_list .opblock-summary-control").click()
    admin_page.get_by_role("button", name="Try it out").click()
    admin_page.get_by_role("button", name="Execute").click()

    expect(admin_page.locator(".live-responses-table")).to_contain_text('"id": "gate"')
