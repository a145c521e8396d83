"""The page of an event as people use it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from events.models import Event
from tests.events.seen import seen_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def event() -> Event:
    """Make an event whose picture is stored."""
    return seen_event(summary="A person at the door", reasoning="30 for a person", risk_score=40)


def test_its_pictures_are_loaded(event: Event, admin_page: Page) -> None:
    admin_page.goto(f"/admin/events/event/{event.pk}/change/")
    admin_page.wait_for_load_state("networkidle")

    widths = admin_page.evaluate("[...document.querySelectorAll('.sa-event img')].map((img) => img.naturalWidth)")

    assert widths == [640, 40]


def test_it_is_found_in_the_list_and_reviewed(event: Event, admin_page: Page) -> None:
    admin_page.goto("/admin/events/event/")
    admin_page.get_by_role("link", name="A person at the door").click()

    admin_page.get_by_label("Reviewed").check(force=True)  # the look draws its own switch over the box
    admin_page.get_by_label("Notes").fill("The postman")
    admin_page.get_by_role("button", name="Save", exact=True).click()

    expect(admin_page.get_by_role("row").filter(has_text="A person at the door")).to_contain_text("reviewed")
    event.refresh_from_db()
    assert (event.reviewed, event.notes, event.version) == (True, "The postman", 2)


def test_a_phone_shows_everything_without_scrolling_sideways(event: Event, admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 360, "height": 740})
    admin_page.goto(f"/admin/events/event/{event.pk}/change/")

    assert admin_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_our_part_of_the_page_breaks_no_accessibility_rule(event: Event, admin_page: Page) -> None:
    admin_page.goto(f"/admin/events/event/{event.pk}/change/")

    found = Axe().run(admin_page, context=".sa-event", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert found.violations_count == 0, found.generate_report()
