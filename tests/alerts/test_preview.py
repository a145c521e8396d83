"""The preview: what a rule would have made of past events, equal to a replay, and writing nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alerts.models import Alert, AlertRule, Channel, ModeChange, QuietHours, RuleDecision, Silence
from alerts.services.evaluation import evaluate_event
from alerts.services.modes import make_first_modes
from alerts.services.preview import preview_rule
from alerts.services.quiet_hours import create_quiet_hours, delete_quiet_hours, update_quiet_hours
from events.models import Event
from tests.alerts.judging import waiting_event, why_not_yet
from tests.factories import (
    AlertRuleFactory,
    CameraFactory,
    ChannelFactory,
    DetectionFactory,
    EventFactory,
    ZoneFactory,
)

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL_DAY = {"days": [], "start": "00:00", "end": "24:00"}


def past_event(at: datetime, *object_types: str, **fields: Any) -> Event:
    event: Event = EventFactory(started_at=at, ended_at=at, **fields)
    for object_type in object_types or ("person",):
        DetectionFactory(event=event, camera=event.camera, object_type=object_type, detected_at=at, created_at=at)
    return event


def everything() -> dict[str, Any]:
    """Give number and checksum of the rows of every table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            rows = "SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM"
            cursor.execute(f'{rows} "{table}" t')
            found[table] = cursor.fetchone()
    return found


def test_matches_duplicates_and_misses_come_with_their_reasons() -> None:
    camera = CameraFactory()
    rule = AlertRuleFactory(object_types=["person"], cooldown_seconds=300)
    first, second, third = (past_event(BEGIN + n * MINUTE, camera=camera) for n in (0, 5, 11))
    cat = past_event(BEGIN, "cat", camera=camera)

    result = preview_rule(rule, channel_ids=[], event_ids=[first.pk, second.pk, third.pk, cat.pk])

    assert [(one.event_id, one.outcome, one.duplicate_of) for one in result.matches] == [
        (first.pk, "fired", None),
        (second.pk, "duplicate", first.pk),
        (third.pk, "fired", None),
    ]
    assert [(one.event_id, one.reasons_not) for one in result.misses] == [(cat.pk, ("no person was seen, but cat",))]
    assert result.counts == {"fired": 2, "duplicate": 1, "suppressed": 0}


def test_modes_and_silences_are_those_of_that_time() -> None:
    make_first_modes()
    ModeChange.objects.create(mode_name="away", at=BEGIN + 10 * MINUTE, by="ada")
    Silence.objects.create(
        severities=["medium"],
        starts_at=BEGIN + 20 * MINUTE,
        ends_at=BEGIN + 30 * MINUTE,
        counts_from=BEGIN,
        counts_until=BEGIN + 25 * MINUTE,
    )
    events = [past_event(BEGIN + n * MINUTE) for n in (5, 15, 22, 27)]

    result = preview_rule(
        AlertRule(severity="medium", modes=["away"]), channel_ids=[], event_ids=[event.pk for event in events]
    )

    assert [(one.event_id, one.outcome) for one in result.matches] == [
        (events[1].pk, "fired"),
        (events[2].pk, "suppressed"),
        (events[3].pk, "fired"),
    ]
    assert result.misses[0].reasons_not == ("the mode is home, not away",)


def test_a_preview_writes_nothing(client_as: Any) -> None:
    client: APIClient = client_as("operator")
    rule = AlertRuleFactory()
    event = past_event(BEGIN)
    client.get("/api/alert-rules")
    before = everything()

    saved = client.post(f"/api/alert-rules/{rule.pk}/preview", {"event_ids": [event.pk]}, format="json")
    new = client.post("/api/alert-rules/preview", {"rule": {"name": "New"}, "event_ids": [event.pk]}, format="json")

    assert (saved.status_code, new.status_code) == (200, 200)
    assert saved.json()["alerts"] == new.json()["alerts"] == 1
    assert everything() == before


@pytest.mark.parametrize("body", [{}, {"days": 0}, {"days": 1, "event_ids": [1]}, {"event_ids": []}, {"hours": 3}])
def test_previews_of_nothing_are_refused(client_as: Any, body: Any) -> None:
    answer = client_as("operator").post(f"/api/alert-rules/{AlertRuleFactory().pk}/preview", body, format="json")

    assert answer.status_code == 400


def test_zones_are_called_by_their_names_as_in_an_evaluation() -> None:
    camera = CameraFactory()
    gate, yard = (ZoneFactory(camera=camera, name=name) for name in ("Gate", "Yard"))
    elsewhere = ZoneFactory(name="Elsewhere")
    rule = AlertRuleFactory(zone_ids=[gate.pk, elsewhere.pk], cooldown_seconds=0)
    inside, outside = (waiting_event(camera=camera) for _ in range(2))
    inside.detections.update(zones=[yard.pk, gate.pk], confidence=0.9)
    outside.detections.update(zones=[yard.pk])

    for event in (inside, outside):
        evaluate_event(event.pk)
    result = preview_rule(rule, channel_ids=[], event_ids=[inside.pk, outside.pk])

    assert Alert.objects.get().matched_conditions == ["person with confidence 0.90 in zone Gate"]
    assert why_not_yet(outside, rule) == "No object is in zone Gate"
    assert result.matches[0].matched_conditions == ("person with confidence 0.90 in zone Gate",)
    assert result.misses[0].reasons_not == ("no object is in zone Gate",)


def test_events_that_there_are_not_are_named(client_as: Any) -> None:
    known, deleted = past_event(timezone.now()), past_event(timezone.now(), deleted_at=timezone.now())
    body = {"rule": {"name": "New"}, "event_ids": [known.pk, deleted.pk, 404404]}

    answer = client_as("operator").post("/api/alert-rules/preview", body, format="json")

    assert answer.status_code == 400
    told = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert told == {
        "event_ids.1": f"There is no event '{deleted.pk}'.",
        "event_ids.2": "There is no event '404404'.",
    }


CLOCK = """
    CREATE SCHEMA test_clock;
    CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT current_setting('test.now')::timestamptz $$;
    CREATE FUNCTION test_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT current_setting('test.now')::timestamptz $$;
    SET LOCAL search_path = test_clock, public, pg_catalog;
"""
DETECTION = st.tuples(st.integers(0, 600), st.integers(0, 1), st.sampled_from(["person", "cat"]), st.integers(1, 9))
HOURS = st.sampled_from([("20:00", "23:00"), ("22:30", "04:00"), ("00:00", "24:00"), ("", "")])
"""Start and end of a channel's quiet hours, empty: deleted."""
RULE = st.fixed_dictionaries(
    {
        "object_types": st.sampled_from([[], ["person"]]),
        "min_confidence": st.sampled_from([None, 0.5]),
        "risk_threshold": st.sampled_from([None, 50]),
        "cooldown_seconds": st.sampled_from([0, 60, 3600]),
        "modes": st.sampled_from([[], ["home"], ["away", "night"]]),
        "dedup_key_template": st.sampled_from(["{camera_id}:{rule_id}", "all:{rule_id}", "{object_type}"]),
        "schedule": st.sampled_from(
            [None, {"days": [], "start": "22:00", "end": "03:30", "timezone": "Europe/Berlin"}]
        ),
    }
)


def change_hours(channel: Channel, *, start: str, end: str) -> None:
    """Make, change or delete the channel's quiet hours."""
    [*known] = QuietHours.objects.current()
    schedule = {"days": [], "start": start, "end": end, "timezone": "UTC"}
    if known and start:
        update_quiet_hours(known[0].pk, fields={"schedule": schedule})
    elif known:
        delete_quiet_hours(known[0].pk)
    elif start:
        create_quiet_hours(fields={"channel": channel, "schedule": schedule})


def test_quiet_hours_are_those_of_that_time() -> None:
    channel = ChannelFactory()
    at = timezone.now()
    made = create_quiet_hours(fields={"channel": channel, "schedule": {**ALL_DAY, "timezone": "UTC"}})
    then = past_event(timezone.now())
    update_quiet_hours(made.pk, fields={"critical_passes": False})
    still = past_event(timezone.now())
    delete_quiet_hours(made.pk)
    events = [past_event(at), then, still, past_event(timezone.now())]

    outcomes = []
    for severity in ("medium", "critical"):
        rule = AlertRule(severity=severity, cooldown_seconds=0)
        result = preview_rule(rule, channel_ids=[channel.pk], event_ids=[event.pk for event in events])
        outcomes.append([match.outcome for match in result.matches])

    assert outcomes == [
        ["fired", "suppressed", "suppressed", "fired"],
        ["fired", "fired", "suppressed", "fired"],
    ]
    assert not QuietHours.objects.current().exists()


@given(
    fields=RULE,
    detections=st.lists(DETECTION, min_size=1, max_size=12, unique_by=lambda one: one[0]),
    switches=st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["home", "away"])), max_size=4),
    silences=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 120)), max_size=2),
    hours=st.lists(st.tuples(st.integers(0, 600), HOURS), max_size=3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_preview_equals_a_replay(fields: Any, detections: Any, switches: Any, silences: Any, hours: Any) -> None:
    with transaction.atomic():
        make_first_modes()
        channel = ChannelFactory()
        rule = AlertRuleFactory(**fields, channels=[channel])
        for minute, name in switches:
            ModeChange.objects.create(mode_name=name, at=BEGIN + minute * MINUTE, by="test")
        for minute, length in silences:
            start = BEGIN + minute * MINUTE
            Silence.objects.create(
                severities=["medium"], starts_at=start, ends_at=start + length * MINUTE, counts_from=BEGIN
            )
        cameras = [CameraFactory() for _ in range(2)]
        history = ModeChange.objects.history(since=BEGIN, until=BEGIN + timedelta(days=1))
        with connection.cursor() as cursor:
            cursor.execute(CLOCK)
        events: dict[int, Event] = {}
        changes = [(minute, -1, *change) for minute, change in hours]
        for minute, number, object_type, tenths in sorted([*detections, *changes], key=lambda one: one[:2]):
            now = BEGIN + minute * MINUTE
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('test.now', %s, true)", [now.isoformat()])
                cursor.execute(
                    "UPDATE alerts_mode SET is_active = false; UPDATE alerts_mode SET is_active = true WHERE name = %s",
                    [[name for at, name in history if at <= now][-1]],
                )
            if number == -1:
                change_hours(channel, start=object_type, end=tenths)
                continue
            if number not in events:
                events[number] = EventFactory(
                    camera=cameras[number], started_at=now, ended_at=now, risk_score=40 + 20 * number
                )
            event = events[number]
            DetectionFactory(
                event=event,
                camera=event.camera,
                object_type=object_type,
                confidence=tenths / 10,
                detected_at=now,
                created_at=now,
            )
            Event.objects.filter(pk=event.pk).update(ended_at=now)
            Event.objects.wait_again(event.pk)
            evaluate_event(event.pk)
        replayed = {one.event_id: one.outcome for one in RuleDecision.objects.filter(rule=rule)}
        alerts = Alert.objects.exclude(status="suppressed").count()

        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('test.now', %s, true)", [(BEGIN + timedelta(days=1)).isoformat()])
        result = preview_rule(rule, channel_ids=[channel.pk], event_ids=[event.pk for event in events.values()])

        assert {one.event_id: one.outcome for one in result.matches} == replayed
        assert result.counts["fired"] == alerts
        transaction.set_rollback(True)
