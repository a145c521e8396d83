"""The dashboard as people use it: mouse, keyboard, phone, dark, and without JavaScript."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from tests.factories import AlertFactory, CameraFactory, ChannelFactory, DeliveryFactory, EventFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def history() -> Any:
    """Make a camera with an event and an alert in the inbox."""
    camera = CameraFactory(id="front_door", name="Front Door", status="online", last_seen_at=timezone.now())
    event = EventFactory(camera=camera, summary="A person at Front Door", risk_score=72)
    alert = AlertFactory(event=event, rule__name="People at night", severity="high")
    DeliveryFactory(alert=alert, channel=ChannelFactory(kind="inbox"), state="delivered", due_at=None)
    return alert


def test_a_newcomer_logs_in_and_is_told_what_to_do_first(admin_page: Page) -> None:
    expect(admin_page.get_by_text("No camera yet")).to_be_visible()
    expect(admin_page.get_by_text("Nothing happened yet")).to_be_visible()
    expect(admin_page.get_by_text("No alert waits for you")).to_be_visible()


def test_cameras_events_and_alerts_are_on_one_page(history: Any, admin_page: Page) -> None:
    expect(admin_page.get_by_role("link", name="Front Door", exact=True)).to_be_visible()
    expect(admin_page.get_by_role("link", name="A person at Front Door")).to_be_visible()
    expect(admin_page.get_by_text("72 high")).to_be_visible()
    expect(admin_page.get_by_role("link", name="People at night")).to_be_visible()


def test_acknowledging_takes_the_alert_out_of_the_inbox_without_a_reload(history: Any, admin_page: Page) -> None:
    admin_page.evaluate("window.sameDocument = true")

    admin_page.get_by_role("button", name="Acknowledge People at night at Front Door").click()

    expect(admin_page.get_by_text("No alert waits for you")).to_be_visible()
    assert admin_page.evaluate("window.sameDocument") is True
    history.refresh_from_db()
    assert history.status == "acknowledged"
    assert history.acknowledged_by == "admin"


def test_a_new_event_appears_while_somebody_looks(admin_page: Page) -> None:
    EventFactory(summary="Somebody new")

    expect(admin_page.get_by_role("link", name="Somebody new")).to_be_visible(timeout=15_000)


def test_a_phone_shows_everything_without_scrolling_sideways(history: Any, admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 360, "height": 740})
    admin_page.goto("/")

    assert admin_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_breaks_no_accessibility_rule(history: Any, admin_page: Page, scheme: Any) -> None:
    admin_page.emulate_media(color_scheme=scheme)
    admin_page.goto("/")

    found = Axe().run(admin_page, context=".sa-dashboard", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert found.violations_count == 0, found.generate_report()


def test_without_javascript_the_page_still_shows_and_acknowledges(
    history: Any, admin_page: Page, browser: Browser, live_server: Any
) -> None:
    plain = browser.new_context(
        base_url=live_server.url, java_script_enabled=False, storage_state=admin_page.context.storage_state()
    )
    page = plain.new_page()
    page.goto("/")

    page.get_by_role("button", name="Acknowledge People at night at Front Door").click()

    expect(page.get_by_text("No alert waits for you")).to_be_visible()
    plain.close()


def test_times_are_in_the_viewers_zone(admin_page: Page) -> None:
    event = EventFactory(summary="In winter", started_at="2026-01-15T22:30:00Z", ended_at="2026-01-15T22:30:05Z")
    admin_page.goto("/")

    row = admin_page.get_by_role("listitem").filter(has_text=event.summary)

    expect(row).to_contain_text("23:30")
