"""Further channels, told step by step while nobody answers."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from alerts.models import Alert, AlertRule, Channel, Delivery, Escalation
from alerts.services.delivery import deliver
from alerts.services.escalation import escalate_alert
from alerts.services.evaluation import evaluate_event
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert
from alerts.services.rule_changes import create_rule, update_rule
from cameras.services import delete_camera
from siteadmin.core.pipeline import Step
from siteadmin.core.sweeper import WAITING
from tests.alerts.judging import waiting_event
from tests.alerts.test_admin_rules import PLAIN
from tests.core.threads import run_together
from tests.factories import AlertRuleFactory, ChannelFactory, UserFactory

pytestmark = pytest.mark.django_db
RULES = "/api/alert-rules"


def chain(*steps: tuple[int, Channel], **fields: Any) -> AlertRule:
    """Make a rule that always holds, with these steps."""
    escalation = [{"wait_seconds": wait, "channel_ids": [channel.pk]} for wait, channel in steps]
    return create_rule(fields={"name": "Chain", **fields}, escalation=escalation)


def fire() -> Escalation:
    """Let the rule fire, and give what waits then."""
    evaluate_event(waiting_event().pk)
    return Escalation.objects.get()


def due(escalation: Escalation) -> int:
    """Let the next step be due now, and give the escalation's id."""
    Escalation.objects.filter(pk=escalation.pk).update(due_at=timezone.now())
    return escalation.pk


def told() -> list[tuple[str, int | None]]:
    """Give who is told, in order, and by which step."""
    return list(Delivery.objects.order_by("pk").values_list("channel_name", "step"))


def test_each_step_tells_its_channels_after_its_wait() -> None:
    first, second = ChannelFactory(name="first"), ChannelFactory(name="second")
    chain((60, first), (120, second))
    escalation = fire()
    assert escalation.due_at is not None and told() == []
    assert 55 < (escalation.due_at - timezone.now()).total_seconds() <= 60

    escalate_alert(due(escalation))

    escalation.refresh_from_db()
    assert told() == [("first", 1)]
    assert escalation.due_at is not None
    assert 115 < (escalation.due_at - timezone.now()).total_seconds() <= 120
    escalate_alert(due(escalation))
    escalation.refresh_from_db()
    assert (told(), escalation.due_at) == ([("first", 1), ("second", 2)], None)


def test_nothing_is_told_before_the_wait_is_over() -> None:
    chain((60, ChannelFactory()))

    assert escalate_alert(fire().pk).alert_id is None
    assert told() == []


@pytest.mark.parametrize("act", [acknowledge_alert, dismiss_alert])
def test_an_answer_stops_it(act: Any) -> None:
    chain((60, ChannelFactory()))
    escalation = fire()
    act(escalation.alert_id, by=UserFactory())

    assert escalate_alert(due(escalation)).stopped

    escalation.refresh_from_db()
    assert (told(), escalation.due_at) == ([], None)


def test_it_ends_with_the_camera_whose_alert_nobody_can_answer_then() -> None:
    chain((60, ChannelFactory()), (60, ChannelFactory()))
    escalation = fire()
    delete_camera(escalation.alert.camera_id)

    escalate_alert(due(escalation))

    escalation.refresh_from_db()
    assert (told(), escalation.due_at) == ([], None)


def test_what_a_step_still_has_to_send_is_skipped_once_somebody_acknowledged() -> None:
    chain((60, ChannelFactory()))
    escalation = fire()
    escalate_alert(due(escalation))
    acknowledge_alert(escalation.alert_id, by=UserFactory())

    [outcome] = deliver(Delivery.objects.get().pk).outcomes

    assert outcome.outcome == "skipped"


def test_the_sweeper_takes_a_step_as_soon_as_it_is_due() -> None:
    chain((0, ChannelFactory()))
    escalation = fire()

    assert WAITING[Step.ESCALATE].sweep(limit=5) == [escalation.pk]


@pytest.mark.django_db(transaction=True)
def test_many_workers_take_a_step_once(asked: list[Any]) -> None:
    chain((60, ChannelFactory()), (60, ChannelFactory()))
    row = due(fire())

    def work(_: int) -> int | None:
        try:
            return escalate_alert(row).step
        finally:
            connection.close()

    assert sorted(step or 0 for step in run_together(work, workers=8)) == [0] * 7 + [1]
    assert len(told()) == 1


def test_a_suppressed_alert_does_not_escalate(settings: Any) -> None:
    chain((60, ChannelFactory()), cooldown_seconds=300)
    evaluate_event(waiting_event().pk)
    event = waiting_event()
    event.camera_id = Alert.objects.get().camera_id
    event.save()

    evaluate_event(event.pk)

    assert Escalation.objects.count() == 1


def test_a_step_that_waits_takes_the_rules_channels_of_then() -> None:
    rule = chain((60, ChannelFactory(name="old")))
    escalation = fire()
    update_rule(rule.pk, fields={}, escalation=[{"wait_seconds": 5, "channel_ids": [ChannelFactory(name="new").pk]}])

    escalate_alert(due(escalation))

    assert told() == [("new", 1)]


def test_an_escalation_whose_rule_is_gone_ends() -> None:
    rule = chain((60, ChannelFactory()))
    escalation = fire()
    AlertRule.objects.delete_by_id(rule.pk)

    escalate_alert(due(escalation))

    escalation.refresh_from_db()
    assert (escalation.due_at, told()) == (None, [])


class TestApi:
    def test_a_chain_is_given_and_read_with_the_rule(self, client_as: Any) -> None:
        client: APIClient = client_as("operator")
        steps = [{"wait_seconds": 300, "channel_ids": [ChannelFactory().pk]}]

        made = client.post(RULES, {"name": "R", "escalation": steps}, format="json")
        changed = client.patch(f"{RULES}/{made.data['id']}", {"escalation": []}, format="json")

        assert (made.status_code, made.data["escalation"]) == (201, steps)
        assert changed.data["escalation"] == []

    @pytest.mark.parametrize(
        ("step", "field"),
        [
            ({"wait_seconds": -1, "channel_ids": [1]}, "escalation.0.wait_seconds"),
            ({"wait_seconds": 10**9, "channel_ids": [1]}, "escalation.0.wait_seconds"),
            ({"wait_seconds": 5, "channel_ids": []}, "escalation.0.channel_ids"),
            ({"wait_seconds": 5, "channel_ids": [4711]}, "escalation.0.channel_ids.0"),
            ({"channel_ids": [1]}, "escalation.0.wait_seconds"),
            ({"wait_seconds": 5, "channel_ids": [1], "colour": 1}, "escalation.0.colour"),
        ],
    )
    def test_what_makes_no_step_is_refused_by_field(self, client_as: Any, step: dict[str, Any], field: str) -> None:
        answer = client_as("operator").post(RULES, {"name": "R", "escalation": [step]}, format="json")

        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert not AlertRule.objects.exists()

    def test_a_channel_that_was_told_before_is_refused(self, client_as: Any) -> None:
        channel = ChannelFactory()
        body = {
            "name": "R",
            "channel_ids": [channel.pk],
            "escalation": [{"wait_seconds": 1, "channel_ids": [channel.pk]}],
        }

        answer = client_as("operator").post(RULES, body, format="json")

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "already_told")
        assert not AlertRule.objects.exists()

    def test_the_admin_page_stores_the_lines_in_order(self) -> None:
        channels = [ChannelFactory(), ChannelFactory()]
        lines = {
            f"escalation_steps-{line}-{name}": value
            for line, channel in enumerate(channels)
            for name, value in {"wait_seconds": 60 * (line + 1), "channels": [channel.pk]}.items()
        }
        client = Client()
        client.force_login(UserFactory(is_superuser=True))

        answer = client.post("/admin/alerts/alertrule/add/", PLAIN | lines | {"escalation_steps-TOTAL_FORMS": "2"})

        assert answer.status_code == 302, answer.context["errors"]
        [rule] = AlertRule.objects.all()
        chain = [(step.position, step.wait_seconds, step.channel_ids) for step in rule.escalation_chain]
        assert chain == [(1, 60, [channels[0].pk]), (2, 120, [channels[1].pk])]


def test_rules_without_steps_wait_for_nothing() -> None:
    AlertRuleFactory(channels=[ChannelFactory()])

    evaluate_event(waiting_event().pk)

    assert not Escalation.objects.exists()
