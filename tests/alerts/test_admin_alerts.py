"""The admin pages of alerts, cooldowns and decisions, and the rules on an event's page."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Cooldown, Evaluation, RuleDecision
from siteadmin.core.groups import sync_groups
from tests.factories import AlertFactory, AlertRuleFactory, DeliveryFactory, EventFactory, UserFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

ALERTS = "/admin/alerts/alert/"
BUTTON = "alerts_alert_"
"""How the names of the page's buttons begin."""


@pytest.fixture(autouse=True)
def permissions(db: None) -> None:
    """Give the roles' groups what they may do."""
    sync_groups()


def browser(role: str) -> Client:
    client = Client()
    client.force_login(UserFactory(username=role, role=role))
    return client


def texts(answer: Any) -> str:
    return " ".join(map(str, answer.context["messages"]))


@pytest.mark.parametrize(("step", "status"), [("acknowledge", "acknowledged"), ("dismiss", "dismissed")])
def test_a_reviewer_decides_on_the_alerts_page_with_a_note(step: str, status: str) -> None:
    alert = AlertFactory()

    answer = browser("reviewer").post(
        f"{ALERTS}{alert.pk}/change/", {"note": "The cat", f"{BUTTON}{step}": ""}, follow=True
    )

    alert.refresh_from_db()
    assert answer.status_code == 200
    assert (alert.status, alert.note, alert.version) == (status, "The cat", 2)
    assert "reviewer" in (alert.acknowledged_by, alert.dismissed_by)


def test_what_is_refused_is_said_and_changes_nothing() -> None:
    alert = AlertFactory(status="dismissed", note="old")

    answer = browser("reviewer").post(
        f"{ALERTS}{alert.pk}/change/", {"note": "new", f"{BUTTON}dismiss": ""}, follow=True
    )

    alert.refresh_from_db()
    assert "cannot be dismissed" in texts(answer)
    assert (alert.note, alert.version) == ("old", 1)


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("delivered", {"acknowledge", "dismiss", "snooze"}),
        ("acknowledged", {"dismiss", "snooze"}),
        ("dismissed", set()),
        ("suppressed", set()),
    ],
)
def test_a_page_offers_the_steps_that_its_alert_can_take(status: str, offered: set[str]) -> None:
    page = browser("reviewer").get(f"{ALERTS}{AlertFactory(status=status).pk}/change/").content.decode()

    assert {step for step in ("acknowledge", "dismiss", "snooze") if f'name="{BUTTON}{step}"' in page} == offered


def test_several_are_decided_from_the_list_and_refusals_are_named() -> None:
    open_one, done = AlertFactory(), AlertFactory(status="dismissed")

    answer = browser("reviewer").post(
        ALERTS, {"action": "acknowledge_all", "_selected_action": [open_one.pk, done.pk]}, follow=True
    )

    open_one.refresh_from_db()
    assert open_one.status == "acknowledged"
    assert "1 acknowledged" in texts(answer)
    assert "dismissed cannot be acknowledged" in texts(answer)


def test_a_viewer_looks_and_decides_nothing() -> None:
    alert, client = AlertFactory(), browser("viewer")

    assert client.get(f"{ALERTS}{alert.pk}/change/").status_code == 200
    assert client.post(f"{ALERTS}{alert.pk}/change/", {"note": "x", f"{BUTTON}acknowledge": ""}).status_code == 403
    client.post(ALERTS, {"action": "acknowledge_all", "_selected_action": [alert.pk]})

    alert.refresh_from_db()
    assert alert.status == "pending"


def test_an_alerts_page_leads_to_event_deliveries_and_duplicates() -> None:
    delivery = DeliveryFactory(channel_name="<b>Phone</b>")
    alert = delivery.alert
    client = browser("operator")

    page = client.get(f"{ALERTS}{alert.pk}/change/").content.decode()

    assert f"/admin/events/event/{alert.event_id}/change/" in page
    assert f'name="{BUTTON}acknowledge"' in page
    assert 'name="_save"' not in page
    assert "&lt;b&gt;Phone&lt;/b&gt;: pending" in page
    for address in ("delivery", "ruledecision"):
        target = f"/admin/alerts/{address}/?alert__id__exact={alert.pk}"
        assert target in page
        assert client.get(target).status_code == 200


def test_the_list_needs_as_many_statements_for_many_alerts() -> None:
    AlertFactory.create_batch(10)
    client = browser("viewer")
    client.get(ALERTS)

    with assert_query_count("admin alerts list"):
        assert client.get(ALERTS).status_code == 200


def test_decisions_and_cooldowns_are_looked_at_only() -> None:
    decision = RuleDecision.objects.create(event=EventFactory(), rule=AlertRuleFactory(), outcome="suppressed")
    Cooldown.objects.create(dedup_key="a:1", fired_at=[timezone.now(), timezone.now()])
    client = browser("operator")

    for address in (f"ruledecision/{decision.pk}", "cooldown/a_3A1"):
        assert client.get(f"/admin/alerts/{address}/change/").status_code == 200
        assert client.post(f"/admin/alerts/{address}/change/", {}).status_code == 403
    for address in ("ruledecision", "cooldown"):
        assert client.get(f"/admin/alerts/{address}/").status_code == 200
        assert client.get(f"/admin/alerts/{address}/add/").status_code == 403


def test_an_events_page_says_of_every_rule_why_it_fired_or_not() -> None:
    alert = AlertFactory(rule__name="Fired rule")
    waiting, off = AlertRuleFactory(name="Waiting"), AlertRuleFactory(name="Resting", enabled=False)
    RuleDecision.objects.create(event=alert.event, rule=alert.rule, outcome="fired", alert=alert, reason="Risk 90")
    Evaluation.objects.note({waiting.pk: "No <car> was seen"}, event_id=alert.event_id)
    about_cameras = AlertRuleFactory(name="About silence alone", trigger="camera_offline")

    page = browser("viewer").get(f"/admin/events/event/{alert.event_id}/change/").content.decode()

    for text in ("Fired rule", "Risk 90", "No &lt;car&gt; was seen", off.name, "The rule is switched off"):
        assert text in page
    assert about_cameras.name not in page
    assert f"{ALERTS}{alert.pk}/change/" in page
