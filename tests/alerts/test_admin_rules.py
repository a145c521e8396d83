"""The admin pages of rules."""

from typing import Any

import pytest
from django.test import Client

from alerts.models import AlertRule
from siteadmin.core.groups import sync_groups
from tests.factories import AlertFactory, AlertRuleFactory, CameraFactory, ChannelFactory, UserFactory, ZoneFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

RULES = "/admin/alerts/alertrule/"
NIGHT = {"days": ["monday", "friday"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
PLAIN = {
    "name": "All",
    "severity": "high",
    "trigger": "event",
    "enabled": "on",
    "cooldown_seconds": "300",
    "dedup_key_template": "{camera_id}:{rule_id}",
    "object_types": "",
    "schedule_timezone": "UTC",
    "escalation_steps-TOTAL_FORMS": "0",
    "escalation_steps-INITIAL_FORMS": "0",
}


@pytest.fixture
def operator() -> Client:
    """Give the browser of an operator."""
    sync_groups()
    client = Client()
    client.force_login(UserFactory(role="operator"))
    return client


def errors_of(answer: Any) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = answer.context["adminform"].form.errors
    return errors


def test_a_rule_is_made_with_plain_fields(operator: Client) -> None:
    zone, channel = ZoneFactory(), ChannelFactory()
    form = PLAIN | {
        "camera_ids": [zone.camera_id],
        "zone_ids": [str(zone.pk)],
        "object_types": "person, car,person,",
        "channel_ids": [str(channel.pk)],
        "days": NIGHT["days"],
        "start": "22:00",
        "end": "06:00",
        "schedule_timezone": "Europe/Berlin",
        "min_confidence": "0.5",
    }

    answer = operator.post(f"{RULES}add/", form)

    assert answer.status_code == 302, errors_of(answer)
    rule = AlertRule.objects.get()
    assert (rule.camera_ids, rule.zone_ids, rule.object_types) == ([zone.camera_id], [zone.pk], ["person", "car"])
    assert (rule.schedule, rule.channel_ids, rule.min_confidence) == (NIGHT, [channel.pk], 0.5)


def test_without_times_there_is_no_schedule(operator: Client) -> None:
    operator.post(f"{RULES}add/", PLAIN)

    assert AlertRule.objects.get().schedule is None


def test_a_page_sent_back_as_it_is_changes_nothing(operator: Client) -> None:
    camera = CameraFactory()
    rule = AlertRuleFactory(
        camera_ids=[camera.pk, "gone"],
        zone_ids=[77],
        object_types=["person", "car"],
        schedule=NIGHT,
        risk_threshold=5,
        channels=[ChannelFactory()],
    )
    before = AlertRule.objects.filter(pk=rule.pk).values().get()
    form = operator.get(f"{RULES}{rule.pk}/change/").context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    sent |= {"escalation_steps-TOTAL_FORMS": "0", "escalation_steps-INITIAL_FORMS": "0"}

    answer = operator.post(f"{RULES}{rule.pk}/change/", sent)

    assert answer.status_code == 302, errors_of(answer)
    assert AlertRule.objects.filter(pk=rule.pk).values().get() == before
    assert len(rule.channel_ids) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start": "22:00"}, "end"),
        ({"days": ["monday"], "end": "23:00"}, "start"),
        ({"start": "22:00", "end": "22:00"}, "end"),
        ({"start": "22:00", "end": "23:00", "schedule_timezone": "Mars"}, "schedule_timezone"),
        ({"dedup_key_template": "{camera_id.name}"}, "dedup_key_template"),
        ({"camera_ids": ["nowhere"]}, "camera_ids"),
        ({"cooldown_seconds": "-1"}, "cooldown_seconds"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(operator: Client, given: dict[str, Any], field: str) -> None:
    answer = operator.post(f"{RULES}add/", PLAIN | given)

    assert list(errors_of(answer)) == [field]
    assert not AlertRule.objects.exists()


def test_a_taken_name_is_said_at_its_field(operator: Client) -> None:
    AlertRuleFactory(name="All")

    assert list(errors_of(operator.post(f"{RULES}add/", PLAIN))) == ["name"]


def test_rules_are_switched_off_and_on_from_the_list(operator: Client) -> None:
    rule = AlertRuleFactory(channels=[ChannelFactory()])

    for action, expected in (("switch_off", False), ("switch_on", True)):
        operator.post(RULES, {"action": action, "_selected_action": [rule.pk]})
        rule.refresh_from_db()
        assert (rule.enabled, len(rule.channel_ids)) == (expected, 1)


def test_a_rule_with_alerts_can_be_deleted(operator: Client) -> None:
    alert = AlertFactory()

    operator.post(f"{RULES}{alert.rule_id}/delete/", {"post": "yes"})

    alert.refresh_from_db()
    assert (AlertRule.objects.count(), alert.rule) == (0, None)


def test_the_list_needs_as_many_statements_for_many_rules(operator: Client) -> None:
    for _ in range(10):
        AlertFactory(rule=AlertRuleFactory(channels=[ChannelFactory()]))
    operator.get(RULES)

    with assert_query_count("admin alert rules list"):
        assert operator.get(RULES).status_code == 200


def test_a_viewer_sees_no_rules() -> None:
    sync_groups()
    client = Client()
    client.force_login(UserFactory(role="viewer"))

    assert client.get(RULES).status_code == 403
