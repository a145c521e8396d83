"""Modes and previews as people use them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from alerts.models import Mode
from alerts.services.modes import make_first_modes
from tests.alerts.test_preview import past_event
from tests.factories import AlertRuleFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_mode_is_switched_on_the_dashboard_without_a_reload(admin_page: Page) -> None:
    make_first_modes()
    admin_page.goto("/")
    admin_page.evaluate("window.sameDocument = true")

    admin_page.get_by_role("button", name="Switch to away").click()

    expect(admin_page.get_by_role("button", name="Switch to home")).to_be_visible()
    assert admin_page.evaluate("window.sameDocument") is True
    assert Mode.objects.get(is_active=True).name == "away"


def test_a_rule_is_previewed_on_its_page_without_a_reload(admin_page: Page) -> None:
    rule = AlertRuleFactory(name="People", object_types=["cat"])
    event = past_event(timezone.now() - timedelta(days=1))
    admin_page.goto(f"/admin/alerts/alertrule/{rule.pk}/change/")
    admin_page.evaluate("window.sameDocument = true")
    admin_page.get_by_label("Object types").fill("person")

    admin_page.get_by_role("button", name="Preview the last 7 days").click()

    expect(admin_page.get_by_role("link", name=f"Event {event.pk}")).to_be_visible()
    expect(admin_page.get_by_text("1 alert", exact=True)).to_be_visible()
    assert admin_page.evaluate("window.sameDocument") is True
