"""Rules and alerts as people use them in the admin pages."""

import pytest
from playwright.sync_api import Page, expect

from alerts.models import AlertRule
from alerts.services.evaluation import evaluate_event
from tests.alerts.judging import waiting_event
from tests.factories import AlertFactory, AlertRuleFactory, CameraFactory, ChannelFactory, ZoneFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rule_is_made_with_choices_and_plain_fields(admin_page: Page) -> None:
    zone = ZoneFactory(camera=CameraFactory(id="front_door", name="Front Door"), name="Path")
    ChannelFactory(name="Inbox")
    admin_page.goto("/admin/alerts/alertrule/add/")

    admin_page.get_by_label("Name").fill("People at night")
    admin_page.get_by_label("Object types").fill("person")
    admin_page.get_by_label("Monday").check()
    admin_page.get_by_label("Start", exact=True).fill("22:00")
    admin_page.get_by_label("End", exact=True).fill("06:00")
    admin_page.locator("#id_zone_ids").select_option(str(zone.pk), force=True)
    admin_page.get_by_role("button", name="Save", exact=True).click()

    expect(admin_page.get_by_text("was added successfully")).to_be_visible()
    rule = AlertRule.objects.get()
    assert (rule.object_types, rule.zone_ids) == (["person"], [zone.pk])
    assert rule.schedule == {"days": ["monday"], "start": "22:00", "end": "06:00", "timezone": "UTC"}


def test_an_alert_is_acknowledged_with_a_note_on_its_page(admin_page: Page) -> None:
    alert = AlertFactory(matched_conditions=["risk score 72 is at least 70"])
    admin_page.goto(f"/admin/alerts/alert/{alert.pk}/change/")

    admin_page.get_by_label("Note").fill("The postman")
    admin_page.get_by_role("button", name="Acknowledge").click()

    expect(admin_page.get_by_text("was changed successfully")).to_be_visible()
    alert.refresh_from_db()
    assert (alert.status, alert.note, alert.acknowledged_by) == ("acknowledged", "The postman", "admin")


def test_an_events_page_says_why_each_rule_fired_or_not(admin_page: Page) -> None:
    AlertRuleFactory(name="Everything", severity="high"), AlertRuleFactory(name="Cars", object_types=["car"])
    event = waiting_event("person")
    evaluate_event(event.pk)

    admin_page.goto(f"/admin/events/event/{event.pk}/change/")

    expect(admin_page.get_by_text("Always: the rule has no conditions")).to_be_visible()
    expect(admin_page.get_by_text("No car was seen, but person")).to_be_visible()
