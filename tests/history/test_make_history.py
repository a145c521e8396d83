"""`manage.py make_history`."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alerts.models import Alert, AlertRule, Delivery
from cameras.models import Camera, Snapshot
from events.models import Detection, Event
from events.services.search import rewrite_search
from siteadmin.core.models import Change
from tests.factories import EventFactory, SnapshotFactory

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 200
DEFINITIONS = """
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
ORDER BY 1, 2
"""


def make(*arguments: str, events: int = EVENTS) -> str:
    output = StringIO()
    call_command("make_history", f"--events={events}", "--until=2026-03-14", *arguments, stdout=output)
    return output.getvalue()


def ask(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE events_event, events_detection, cameras_snapshot, alerts_alert CASCADE")


def test_it_makes_events_with_three_detections_each_and_the_rest_in_proportion() -> None:
    said = make()

    assert said.startswith("200 events, 600 detections, 20 snapshots and 10 alerts of 20 cameras in ")
    assert (Event.objects.visible().count(), Snapshot.objects.count()) == (200, 20)
    assert (Alert.objects.count(), Delivery.objects.count()) == (10, 10)
    assert {event.detections.count() for event in Event.objects.get_all()} == {3}
    event = Event.objects.select_related("key_detection").latest("started_at")
    assert event.key_detection is not None
    assert event.key_detection.event_id == event.pk


def test_the_same_arguments_give_the_same_history_and_another_seed_another() -> None:
    words = "SELECT id, camera_id, started_at, risk_score, summary, notes FROM events_event ORDER BY id"
    make("--seed=7")
    first = ask(words)
    forget()
    make("--seed=7")
    second = ask(words)
    forget()
    make("--seed=8")

    assert first == second
    assert ask(words) != first


def test_events_are_found_by_the_words_that_the_services_write() -> None:
    make()
    loaded = ask("SELECT id, search::text FROM events_event ORDER BY id")

    Event.objects.write_search([event_id for event_id, _ in loaded])

    assert ask("SELECT id, search::text FROM events_event ORDER BY id") == loaded
    assert rewrite_search().events == 0


def test_indexes_and_foreign_keys_are_afterwards_as_they_were() -> None:
    before = ask(DEFINITIONS)

    make()

    assert ask(DEFINITIONS) == before


def test_the_planner_knows_the_tables_afterwards() -> None:
    make()

    assert ask("SELECT reltuples FROM pg_class WHERE relname = 'events_event'") == [(200.0,)]


def test_further_rows_come_after_the_loaded_ones() -> None:
    make()

    assert EventFactory().pk == EVENTS + 1


@pytest.mark.parametrize("is_empty", [True, False])
def test_listeners_hear_nothing_of_it_and_of_what_comes_after(is_empty: bool) -> None:
    if not is_empty:
        EventFactory()
    opened = Change.objects.filter(topic="event.opened")
    before = opened.count()

    make("--mix-with-real-data")
    after_load = opened.count()
    EventFactory(camera=Camera.objects.earliest("pk"))

    assert after_load == before
    assert opened.count() == before + 1


def test_nothing_is_left_for_the_pipeline_and_no_rule_is_in_force() -> None:
    make()

    assert not Event.objects.exclude(due_at=None).exists()
    assert not Delivery.objects.exclude(due_at=None).exists()
    assert not AlertRule.objects.filter(enabled=True).exists()


def test_a_database_with_pictures_is_refused_and_left_alone() -> None:
    SnapshotFactory()

    with pytest.raises(CommandError, match="--mix-with-real-data"):
        make()

    assert (Event.objects.count(), Camera.objects.count()) == (0, 1)


def test_with_consent_it_joins_what_is_there() -> None:
    real = EventFactory()

    make("--mix-with-real-data")
    make("--mix-with-real-data")

    assert Event.objects.count() == 2 * EVENTS + 1
    assert Event.objects.exclude(camera__id__startswith="history_").get() == real
    assert Detection.objects.count() == 6 * EVENTS
    assert Camera.objects.count() == 21


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--events=0"], "--events takes"),
        (["--events=1", "--days=0"], "--days takes"),
        (["--events=1", "--until=soon"], "--until takes"),
        (["--events=1", "--until=2026-02-30"], "--until takes"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("make_history", *arguments)
