"""The preview on a rule's admin page: of the form as it is filled in, saved or not."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, AlertRule, RuleDecision
from cameras.models import CameraStatusChange
from siteadmin.core.groups import sync_groups
from tests.alerts.test_preview import past_event
from tests.factories import AlertRuleFactory, CameraFactory, UserFactory

pytestmark = pytest.mark.django_db
RULES = "/admin/alerts/alertrule/"
BUTTON = "Preview the last 7 days"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def permissions(db: None) -> None:
    """Give the roles' groups what they may do."""
    sync_groups()


def browser(role: str) -> Client:
    client = Client()
    client.force_login(UserFactory(username=role, role=role))
    return client


def preview(client: Client, page: str, *, headers: Any = None, **filled_in: Any) -> str:
    """Fill in the form of a page below the rules', ask for the preview, and give what is shown."""
    form = client.get(f"{RULES}{page}/").context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    sent |= {"escalation_steps-TOTAL_FORMS": "0", "escalation_steps-INITIAL_FORMS": "0"} | filled_in
    answer = client.post(f"{RULES}{page.removesuffix('/change')}/preview/", sent, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_it_shows_matches_alerts_left_reasons_and_links(headers: Any) -> None:
    rule, camera = AlertRuleFactory(object_types=["person"], cooldown_seconds=600), CameraFactory()
    at = timezone.now() - DAY
    first, second = (past_event(at + n * MINUTE, camera=camera) for n in (0, 5))
    cat = past_event(at, "cat", camera=camera)
    past_event(at - 7 * DAY, camera=camera)

    text = preview(browser("operator"), f"{rule.pk}/change", headers=headers)

    assert "3 events: 2 matches, <strong>1 alert</strong>, 1 within the cooldown, 0 suppressed." in text
    assert f"Within the cooldown of the alert for event {first.pk}" in text
    assert "no person was seen, but cat" in text
    for event in (first, second, cat):
        assert f'href="/admin/events/event/{event.pk}/change/"' in text
    assert ("<html" in text) is not bool(headers)
    assert not Alert.objects.exists()
    assert not RuleDecision.objects.exists()


def test_what_is_not_saved_yet_counts_and_is_not_saved_by_it() -> None:
    rule = AlertRuleFactory(object_types=["person"])
    past_event(timezone.now() - DAY, "cat")

    text = preview(browser("operator"), f"{rule.pk}/change", object_types="cat", severity="critical")

    assert "1 event: 1 match, <strong>1 alert</strong>" in text
    rule.refresh_from_db()
    assert (rule.object_types, rule.severity) == (["person"], "medium")


def test_a_rule_is_previewed_before_it_is_made() -> None:
    past_event(timezone.now() - DAY)

    text = preview(browser("operator"), "add", name="People", object_types="person")

    assert "1 event: 1 match, <strong>1 alert</strong>" in text
    assert not AlertRule.objects.exists()


@pytest.mark.parametrize(
    ("filled_in", "problem"),
    [
        ({"name": ""}, "Name: This field is required."),
        ({"start": "22:00"}, "End: Enter a time of day, such as 06:00, or 24:00."),
        ({"risk_threshold": "101"}, "Risk threshold: Ensure this value is less than or equal to 100."),
        (
            {"trigger": "camera_offline", "risk_threshold": "50"},
            "A rule about a camera falling silent or coming back takes no condition on what is seen.",
        ),
    ],
)
def test_what_cannot_be_used_is_said(filled_in: dict[str, Any], problem: str) -> None:
    text = preview(browser("operator"), "add", **{"name": "People", **filled_in})

    assert f'<p class="sa-error" role="alert">{problem}</p>' in text
    assert "<strong>" not in text


def test_a_rule_about_silence_names_the_cameras_and_leads_to_what_happened() -> None:
    camera = CameraFactory(id="yard")
    change = CameraStatusChange.objects.create(camera=camera, status="offline", at=timezone.now() - DAY)

    text = preview(browser("operator"), "add", name="Silent", trigger="camera_offline")

    assert "1 change: 1 match" in text
    assert f'<a href="/admin/cameras/camerastatuschange/{change.pk}/change/">yard is silent</a>' in text


def test_it_is_for_operators() -> None:
    rule, reviewer, operator = AlertRuleFactory(), browser("reviewer"), browser("operator")

    for page in (f"{rule.pk}", "add"):
        assert reviewer.post(f"{RULES}{page}/preview/").status_code == 403
        assert Client().post(f"{RULES}{page}/preview/").status_code == 302
    assert operator.post(f"{RULES}404404/preview/").status_code == 404
    assert operator.get(f"{RULES}{rule.pk}/preview/").status_code == 405


def test_a_rules_page_and_a_new_rules_page_offer_it() -> None:
    rule, client = AlertRuleFactory(), browser("operator")

    for page in (f"{rule.pk}/change/", "add/"):
        assert BUTTON in client.get(RULES + page).content.decode()
