"""Logging in, two-factor login and the page of a user, as people use them."""

import base64
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import Browser, Page, expect

from cameras.models import StaffCameras
from siteadmin.core.groups import sync_groups
from tests.browser.conftest import PASSWORD
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

SHOTS = os.environ.get("SCREENSHOTS")
"""A folder for pictures of the pages, for whoever wants to look."""


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def code_of(secret: str, *, steps: int = 0) -> str:
    app = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303 - what apps know
    return app.generate(int(time.time()) + 30 * steps).decode()


def give_password(page: Page, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_somebody_switches_two_factor_login_on_and_comes_in_again_with_a_code(
    admin_page: Page, browser: Browser, live_server: Any
) -> None:
    admin_page.goto("/account/two-factor/")
    admin_page.get_by_role("button", name="Set it up").click()
    expect(admin_page.get_by_role("img", name="QR code")).to_be_visible()
    shoot(admin_page, "two-factor-scan")
    secret = admin_page.locator("#two-factor-secret").inner_text()
    admin_page.get_by_role("textbox", name="Code").fill(code_of(secret, steps=-1))
    admin_page.get_by_role("button", name="Switch it on").click()
    expect(admin_page.locator(".sa-codes li")).to_have_count(10)
    shoot(admin_page, "two-factor-codes")

    phone = browser.new_context(
        base_url=live_server.url, viewport={"width": 360, "height": 740}, color_scheme="dark", java_script_enabled=False
    )
    page = phone.new_page()
    give_password(page)
    expect(page.get_by_text("Enter the code that your authenticator app shows")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill("abcdef")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    shoot(page, "login-code-phone-dark")
    page.get_by_role("textbox", name="Code").fill(code_of(secret))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r"/$"))
    phone.close()


def test_after_too_many_failures_the_page_says_that_it_is_locked(page: Page, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    UserFactory(username="admin", is_superuser=True)

    for _ in range(2):
        give_password(page, "wrong")

    expect(page.get_by_text("Too many failed logins: locked until")).to_be_visible()
    shoot(page, "login-locked")


def test_an_admin_limits_somebody_to_a_camera_who_then_sees_that_one_alone(
    admin_page: Page, browser: Browser, live_server: Any
) -> None:
    sync_groups()
    for name in ("Porch", "Yard"):
        CameraFactory(id=name.lower(), name=name, folder_path=name.lower())
    ann = UserFactory(username="ann", role="viewer")
    ann.set_password(PASSWORD)
    ann.save()
    admin_page.goto(f"/admin/auth/user/{ann.pk}/change/")
    admin_page.get_by_label("Only the cameras chosen here").check()
    admin_page.locator("select[name=cameras]").select_option("porch", force=True)
    shoot(admin_page, "user-page")
    admin_page.get_by_role("button", name="Save", exact=True).click()
    admin_page.wait_for_url("**/admin/auth/user/")
    shoot(admin_page, "user-list")
    assert StaffCameras.objects.ids_of(ann.pk) == {"porch"}

    hers = browser.new_context(base_url=live_server.url).new_page()
    hers.goto("/")
    hers.get_by_label("Username").fill("ann")
    hers.get_by_label("Password").fill(PASSWORD)
    hers.get_by_role("button", name="Log in").click()
    expect(hers.get_by_role("link", name="Porch", exact=True)).to_be_visible()
    expect(hers.get_by_text("Yard")).to_have_count(0)
    expect(hers.get_by_text("Work in progress")).to_have_count(0)
    shoot(hers, "limited-dashboard")
    hers.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_two_factor_page_breaks_no_accessibility_rule(admin_page: Page, scheme: Any) -> None:
    admin_page.emulate_media(color_scheme=scheme)
    admin_page.goto("/account/two-factor/")
    admin_page.get_by_role("button", name="Set it up").click()

    found = Axe().run(admin_page, context=".sa-dashboard", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert found.violations_count == 0, found.generate_report()
