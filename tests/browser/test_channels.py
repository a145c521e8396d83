"""Channels and the links in their messages as people use them."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from alerts.models import Alert, Channel
from alerts.services.links import action_links
from siteadmin.core.http import close_connections
from tests.factories import AlertFactory, ChannelFactory, DeliveryFactory
from tests.fakes.http_server import Answer, HttpServer

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = {
    "webhook": ["URL", "Headers", "Secret"],
    "email": ["To"],
    "apprise": ["Apprise URL"],
    "mqtt": ["Broker", "Port", "TLS", "Authority's certificate", "Topic prefix"],
    "webpush": ["Users"],
    "inbox": [],
}


@pytest.fixture
def receiver(settings: Any) -> Iterator[HttpServer]:
    """Give a receiver of webhooks."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with HttpServer() as server:
        yield server
    close_connections()


@pytest.fixture
def links() -> dict[str, str]:
    """Give the paths of a message's links."""
    delivery = DeliveryFactory(channel=ChannelFactory(name="Mail"), alert=AlertFactory(rule_name="People at night"))
    return {action: re.sub(r"^https?://[^/]+", "", link) for action, link in action_links(delivery).items()}


def test_each_kind_shows_its_own_fields_alone(admin_page: Page) -> None:
    admin_page.goto("/admin/alerts/channel/add/")
    every = {label for labels in FIELDS.values() for label in labels}

    for kind, labels in FIELDS.items():
        admin_page.get_by_label("Kind").select_option(kind)
        for label in every:
            shown = admin_page.locator("#channel_form").get_by_text(label, exact=True)
            expect(shown).to_be_visible(visible=label in labels)


def test_a_webhook_is_made_masked_and_tested_on_its_page(admin_page: Page, receiver: HttpServer) -> None:
    admin_page.goto("/admin/alerts/channel/add/")
    admin_page.locator("#id_name").fill("Pager")
    admin_page.get_by_label("Kind").select_option("webhook")
    admin_page.locator("#id_url").fill(f"{receiver.url}/x?token=geheim")
    admin_page.get_by_role("button", name="Save and continue editing").click()

    expect(admin_page.get_by_text("note it now, it is not shown again")).to_be_visible()
    expect(admin_page.locator("#id_url")).to_have_value(f"{receiver.url}/x?token=***")
    admin_page.get_by_role("button", name="Save and send a test").click()
    expect(admin_page.get_by_text("Pager: the test was accepted.")).to_be_visible()
    assert receiver.requests[0].target == "/x?token=geheim"
    assert Channel.objects.get().config["url"].endswith("token=geheim")

    receiver.default = Answer(500)
    admin_page.locator("#result_list").get_by_role("link", name="Pager").click()
    admin_page.get_by_role("button", name="Save and send a test").click()
    expect(admin_page.get_by_text("Pager: The receiver answered 500 Internal Server Error")).to_be_visible()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/x", "may not be connected to"),
        ("http://169.254.169.254/latest", "metadata"),
        ("http://192.168.1.7/", "OUTBOUND_ALLOWED_NETWORKS"),
        ("file:///etc/passwd", "starts with http:// or https://"),
        ("gopher://example.com/", "starts with http:// or https://"),
    ],
)
def test_an_address_that_may_not_be_used_is_said_at_its_field(admin_page: Page, url: str, why: str) -> None:
    admin_page.goto("/admin/alerts/channel/add/")
    admin_page.locator("#id_name").fill("Pager")
    admin_page.get_by_label("Kind").select_option("webhook")
    admin_page.locator("#id_url").fill(url)
    admin_page.get_by_role("button", name="Save", exact=True).click()

    expect(admin_page.get_by_text(why)).to_be_visible()
    assert Channel.objects.count() == 0


def test_a_link_in_a_message_snoozes_without_login_and_without_javascript(
    browser: Browser, live_server: Any, links: dict[str, str]
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(links["snooze"])
    page.get_by_label("Tell nobody of more like it for").select_option("12 hours")
    page.get_by_role("button", name="Snooze").click()

    expect(page.get_by_role("status")).to_contain_text("Snoozed until")
    page.goto(links["snooze"])
    expect(page.get_by_role("status")).to_contain_text("was used already")
    page.goto(links["acknowledge"])
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("Acknowledged")
    context.close()
    assert (Alert.objects.get().snoozed_by, Alert.objects.get().acknowledged_by) == ("link in Mail", "link in Mail")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_behind_a_link_fits_a_phone_and_breaks_no_accessibility_rule(
    page: Page, links: dict[str, str], scheme: Any
) -> None:
    page.set_viewport_size({"width": 320, "height": 600})
    page.emulate_media(color_scheme=scheme)
    page.goto(links["snooze"])

    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert found.violations_count == 0, found.generate_report()
