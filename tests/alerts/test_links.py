"""Links in messages by which their reader acts without a login."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, Delivery, LinkUse
from alerts.services.evaluation import evaluate_event
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert
from alerts.services.links import SALT, action_links
from tests.alerts.judging import waiting_event
from tests.core.threads import run_together
from tests.factories import AlertFactory, AlertRuleFactory, ChannelFactory, DeliveryFactory, UserFactory

pytestmark = pytest.mark.django_db


def link_of(delivery: Delivery, action: str = "acknowledge") -> str:
    """Give the path of a message's link."""
    return re.sub(r"^https?://[^/]+", "", action_links(delivery)[action])


@pytest.fixture
def delivery() -> Delivery:
    """Give a delivery whose message has a link."""
    made: Delivery = DeliveryFactory(
        channel=ChannelFactory(name="Mail", timezone="Asia/Tokyo"), alert=AlertFactory(rule_name="<b>Nights")
    )
    return made


def test_looking_shows_the_alert_and_changes_nothing(delivery: Delivery) -> None:
    answer = Client().get(link_of(delivery))

    assert answer.status_code == 200
    assert "&lt;b&gt;Nights" in answer.text and "<form" in answer.text
    assert Alert.objects.get().status == "pending"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]


def test_a_click_acknowledges_in_the_channels_name_without_a_login_or_cookie(delivery: Delivery) -> None:
    answer = Client(enforce_csrf_checks=True).post(link_of(delivery))

    alert = Alert.objects.get()
    assert (answer.status_code, alert.status, alert.acknowledged_by) == (200, "acknowledged", "link in Mail")


def test_a_link_is_good_for_one_act(delivery: Delivery) -> None:
    link = link_of(delivery)
    Client().post(link)

    assert [Client().post(link).status_code, Client().get(link).status_code] == [404, 404]
    assert LinkUse.objects.count() == 1


def test_looking_at_the_link_to_snooze_asks_for_how_long_and_changes_nothing(delivery: Delivery) -> None:
    for _ in range(3):  # link scanners come more than once
        answer = Client().get(link_of(delivery, "snooze"))

    alert = Alert.objects.get()
    assert answer.status_code == 200 and '<option value="60" selected>1 hour</option>' in answer.text
    assert (alert.snoozed_until, LinkUse.objects.count()) == (None, 0)


def test_a_click_snoozes_for_as_long_as_was_chosen(delivery: Delivery) -> None:
    answer = Client(enforce_csrf_checks=True).post(link_of(delivery, "snooze"), {"minutes": "240"})

    alert = Alert.objects.get()
    assert alert.snoozed_until is not None
    assert timedelta(minutes=239) < alert.snoozed_until - timezone.now() <= timedelta(minutes=240)
    assert (answer.status_code, alert.snoozed_by, alert.status) == (200, "link in Mail", "pending")
    assert "JST" in answer.text, "in the recipient's zone"


def test_a_snoozed_alert_keeps_more_of_its_kind_back(delivery: Delivery) -> None:
    rule = AlertRuleFactory(dedup_key_template="{camera_id}", cooldown_seconds=0)
    first = waiting_event()
    evaluate_event(first.pk)
    told = DeliveryFactory(alert=Alert.objects.get(rule=rule))
    Client().post(link_of(told, "snooze"), {"minutes": "30"})

    second = waiting_event(camera=first.camera)
    skipped = next(one for one in evaluate_event(second.pk).skipped_rules if one.rule_id == rule.pk)

    assert skipped.outcome == "suppressed" and "snoozed until" in skipped.reason


def test_a_link_to_snooze_is_good_for_one_act_and_leaves_the_other_link_good(delivery: Delivery) -> None:
    snooze = link_of(delivery, "snooze")
    clicks = [Client().post(snooze, {"minutes": "30"}).status_code for _ in range(2)]

    assert clicks == [200, 404]
    assert Client().post(link_of(delivery)).status_code == 200
    assert Alert.objects.get().status == "acknowledged"


@pytest.mark.parametrize("minutes", ["", "0", "-5", "31", "999999999999", "x", "30 ", "\x00"])
def test_another_span_is_refused_says_what_is_allowed_and_leaves_the_link_good(
    delivery: Delivery, minutes: str
) -> None:
    link = link_of(delivery, "snooze")

    refused = Client().post(link, {"minutes": minutes})

    assert refused.status_code == 400 and "30, 60, 240, 720, 1440" in refused.text and "<form" in refused.text
    assert Client().post(link, {"minutes": "30"}).status_code == 200


def test_an_acknowledged_alert_can_be_snoozed_and_a_dismissed_one_not(delivery: Delivery) -> None:
    link = link_of(delivery, "snooze")
    acknowledge_alert(Alert.objects.get().pk, by=UserFactory())
    assert "<form" in Client().get(link).text
    dismiss_alert(Alert.objects.get().pk, by=UserFactory())

    assert "dismissed already" in Client().get(link).text
    assert Client().post(link, {"minutes": "30"}).status_code == 409


def test_what_somebody_did_meanwhile_is_said(delivery: Delivery) -> None:
    acknowledge_alert(Alert.objects.get().pk, by=UserFactory())

    seen, clicked = Client().get(link_of(delivery)), Client().post(link_of(delivery))

    assert "acknowledged already" in seen.text and "<form" not in seen.text
    assert clicked.status_code == 409


def test_links_that_cannot_be_used_all_get_one_answer_and_cost_no_query(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    good = link_of(delivery)
    tokens = [good[:-3] + "xx/", "/links/nothing/", f"/links/{signing.dumps([delivery.pk, 'acknowledge'], salt='x')}/"]
    later = (timezone.now() + timedelta(hours=25)).timestamp()
    with django_assert_num_queries(0):
        answers = [Client().get(link) for link in tokens]
        monkeypatch.setattr(signing.time, "time", lambda: later)
        answers.append(Client().get(good))

    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


@pytest.mark.parametrize("content", [[4711, "acknowledge"], [1, "explode"], ["x"], {"a": 1}, None])
def test_signed_nonsense_gets_that_answer_too(content: Any) -> None:
    assert Client().get(f"/links/{signing.dumps(content, salt=SALT)}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_many_clicks_act_once(delivery: Delivery) -> None:
    link = link_of(delivery)

    answers = run_together(lambda _: Client().post(link).status_code, workers=8)

    assert sorted(answers) == [200, *[404] * 7] or (answers.count(200) == 1 and set(answers) <= {200, 404, 409})
    assert LinkUse.objects.count() == 1
