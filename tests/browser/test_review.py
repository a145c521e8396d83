"""The queue as people use it: by keys, one event after the other."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from events.models import Event
from tests.events.seen import picture_bytes, seen_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def events() -> list[Event]:
    """Make three events whose pictures are stored, the newest first."""
    first = seen_event(summary="A person at the door", reasoning="30 for a person", risk_score=40)
    return [
        first,
        *(
            seen_event(
                camera=first.camera,
                summary=f"Another person {number}",
                risk_score=90,
                started_at=first.started_at - timedelta(minutes=number),
                data=picture_bytes(size=(640, 480 + number)),
            )
            for number in (1, 2)
        ),
    ]


def test_keys_lead_through_the_queue_and_decide(events: list[Event], admin_page: Page) -> None:
    admin_page.goto("/review/")
    heading = admin_page.locator(".sa-review h2")
    expect(heading).to_have_text("A person at the door")

    admin_page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("Another person 1")
    admin_page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("A person at the door")
    admin_page.get_by_label("Notes").fill("far away")  # letters that are typed decide nothing
    admin_page.get_by_label("Notes").press("f")
    admin_page.get_by_label("Notes").blur()
    admin_page.keyboard.press("r")
    expect(heading).to_have_text("Another person 1")
    admin_page.keyboard.press("f")
    expect(heading).to_have_text("Another person 2")
    admin_page.keyboard.press("k")
    expect(heading).to_have_text("Nothing waits for review")

    found = [Event.objects.get(pk=event.pk) for event in events]
    assert [(event.reviewed, event.kept) for event in found] == [(True, False), (True, False), (True, True)]
    assert found[0].notes == "far awayf"
    assert found[1].feedback.verdict == "false_positive"


def test_the_side_bar_leads_there_and_pictures_are_loaded(events: list[Event], admin_page: Page) -> None:
    admin_page.get_by_role("link", name="Review", exact=True).first.click()
    admin_page.wait_for_load_state("networkidle")

    widths = admin_page.evaluate("[...document.querySelectorAll('.sa-review img')].map((img) => img.naturalWidth)")

    assert widths == [640, 40]


def test_it_works_without_scripts(events: list[Event], admin_page: Page) -> None:
    cookies = admin_page.context.cookies()
    browser = admin_page.context.browser
    assert browser is not None
    plain = browser.new_context(base_url=admin_page.url, java_script_enabled=False)
    plain.add_cookies([{"name": one["name"], "value": one["value"], "url": admin_page.url} for one in cookies])
    page = plain.new_page()

    page.goto("/review/")
    page.get_by_role("button", name="Reviewed", exact=True).click()

    expect(page.locator(".sa-review h2")).to_have_text("Another person 1")
    plain.close()


def test_a_phone_shows_everything_without_scrolling_sideways(events: list[Event], admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 360, "height": 740})
    admin_page.goto("/review/")

    assert admin_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_our_part_of_the_page_breaks_no_accessibility_rule(events: list[Event], admin_page: Page, scheme: str) -> None:
    admin_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    admin_page.goto("/review/")

    found = Axe().run(admin_page, context=".sa-review", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert found.violations_count == 0, found.generate_report()
