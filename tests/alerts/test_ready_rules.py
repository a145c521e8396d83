"""Rules kept in memory are those that stand in the database, whoever changed them and however."""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from alerts.models import AlertRule, Evaluation
from alerts.services.ready_rules import ReadyRule, ready_rules
from tests.factories import AlertRuleFactory

pytestmark = pytest.mark.django_db


def versions() -> list[str]:
    return list(Evaluation.objects.standing(trigger="event").rules)


def ready() -> list[ReadyRule]:
    return ready_rules(versions(), trigger="event")


def test_a_rule_is_read_once(django_assert_num_queries: object) -> None:
    AlertRuleFactory.create_batch(3, risk_threshold=50)
    first, known = ready(), versions()

    with django_assert_num_queries(0):  # type: ignore[operator]
        again = ready_rules(known, trigger="event")

    assert again == first
    assert [one.conditions.risk_threshold for one in first if one.conditions is not None] == [50, 50, 50]


def test_a_rule_changed_by_a_bare_statement_is_read_anew() -> None:
    rule = AlertRuleFactory(name="Before")
    assert [one.name for one in ready()] == ["Before"]

    with connection.cursor() as cursor:
        cursor.execute("UPDATE alerts_alertrule SET name = 'After', cooldown_seconds = 7 WHERE id = %s", [rule.pk])

    assert [(one.name, one.cooldown) for one in ready()] == [("After", timedelta(seconds=7))]


def test_several_changes_in_one_transaction_are_all_seen() -> None:
    rule = AlertRuleFactory(name="0")

    for name in ("1", "2", "3"):
        AlertRule.objects.filter(pk=rule.pk).update(name=name)
        assert [one.name for one in ready()] == [name]


def test_a_change_that_was_taken_back_leaves_nothing_behind() -> None:
    rule = AlertRuleFactory(name="Before")
    with transaction.atomic():
        AlertRule.objects.filter(pk=rule.pk).update(name="Never")
        assert [one.name for one in ready()] == ["Never"]
        transaction.set_rollback(True)
    assert [one.name for one in ready()] == ["Before"]

    with transaction.atomic():
        AlertRule.objects.filter(pk=rule.pk).update(name="After")

    assert [one.name for one in ready()] == ["After"]


def test_what_is_deleted_off_or_of_another_trigger_before_it_was_read_is_left_out() -> None:
    gone, off, other, stays = AlertRuleFactory.create_batch(4)
    seen = versions()
    AlertRule.objects.delete_by_id(gone.pk)
    AlertRule.objects.filter(pk=off.pk).update(enabled=False)
    AlertRule.objects.filter(pk=other.pk).update(trigger="camera_offline")

    assert [one.id for one in ready_rules(seen, trigger="event")] == [stays.pk]
