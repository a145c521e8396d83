"""The preview of rules about cameras falling silent and coming back: what a replay of these changes makes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.models import Alert, AlertRule, ModeChange, RuleDecision
from alerts.services.camera_evaluation import evaluate_change
from alerts.services.modes import make_first_modes
from alerts.services.preview import preview_rule
from alerts.services.silences import create_silence
from cameras.models import CameraStatusChange
from siteadmin.core.exceptions import ValidationError
from tests.alerts.test_preview import CLOCK
from tests.factories import AlertRuleFactory, CameraFactory

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SILENT: dict[str, Any] = {"trigger": "camera_offline"}
RULE = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(["camera_offline", "camera_online"]),
        "camera_ids": st.sampled_from([[], ["door"]]),
        "cooldown_seconds": st.sampled_from([0, 60, 3600]),
        "modes": st.sampled_from([[], ["home"], ["away", "night"]]),
        "dedup_key_template": st.sampled_from(["{camera_id}:{rule_id}", "all"]),
        "schedule": st.sampled_from(
            [None, {"days": [], "start": "22:00", "end": "03:30", "timezone": "Europe/Berlin"}]
        ),
    }
)


def change_at(at: datetime, *, status: str = "offline", **fields: Any) -> CameraStatusChange:
    change: CameraStatusChange = CameraStatusChange.objects.create(at=at, status=status, **fields)
    return change


def test_past_silences_come_with_what_would_have_become_of_them() -> None:
    now, door, garden = timezone.now(), CameraFactory(id="door"), CameraFactory(id="garden")
    first, second = change_at(now - 50 * MINUTE, camera=door), change_at(now - 48 * MINUTE, camera=door)
    other = change_at(now - 40 * MINUTE, camera=garden)
    change_at(now - 45 * MINUTE, camera=door, status="online")
    change_at(now - timedelta(days=3), camera=door)

    result = preview_rule(AlertRule(**SILENT, camera_ids=["door"]), channel_ids=[], days=1)

    assert [(one.change_id, one.event_id, one.outcome, one.duplicate_of) for one in result.matches] == [
        (first.pk, None, "fired", None),
        (second.pk, None, "duplicate", first.pk),
    ]
    assert result.matches[0].matched_conditions == ("the camera is silent", "camera door")
    assert result.matches[1].reason == f"Within the cooldown of the alert for door at {first.at:%Y-%m-%d %H:%M:%S} UTC"
    [miss] = result.misses
    assert (miss.change_id, miss.reasons_not) == (other.pk, ("camera garden is not one of door",))


def test_events_are_refused_by_name(client_as: Any) -> None:
    rule = AlertRuleFactory(**SILENT)

    answer = client_as("operator").post(f"/api/alert-rules/{rule.pk}/preview", {"event_ids": [1]}, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "event_ids")


def test_the_api_gives_the_change_and_no_event(client_as: Any) -> None:
    change = change_at(timezone.now() - MINUTE, camera=CameraFactory())
    body = {"rule": {"name": "New", **SILENT}, "days": 1}

    shown = client_as("operator").post("/api/alert-rules/preview", body, format="json").json()

    assert (shown["events"], shown["alerts"]) == (1, 1)
    assert (shown["matches"][0]["event"], shown["matches"][0]["change"]) == (None, change.pk)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({**SILENT, "risk_threshold": 5}, "rule.risk_threshold"),
        ({"zone_ids": [4711]}, "rule.zone_ids.0"),
        ({"camera_ids": ["nowhere"]}, "rule.camera_ids.0"),
        ({"modes": ["beach"]}, "rule.modes.0"),
        ({"channel_ids": [4711]}, "rule.channel_ids.0"),
        ({"dedup_key_template": "{camera_id.__class__}"}, "rule.dedup_key_template"),
    ],
)
def test_a_rule_that_could_not_be_saved_is_refused_as_on_saving(client_as: Any, fields: Any, field: str) -> None:
    body = {"rule": {"name": "New", **fields}, "days": 1}

    answer = client_as("operator").post("/api/alert-rules/preview", body, format="json")

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])


def test_a_schedule_whose_zone_is_gone_is_refused_with_the_reason() -> None:
    rule = AlertRule(**SILENT, schedule={"days": [], "start": "01:00", "end": "02:00", "timezone": "Gone/Zone"})

    with pytest.raises(ValidationError, match="The schedule cannot be used: Enter an IANA time zone"):
        preview_rule(rule, channel_ids=[], days=1)


@given(
    fields=RULE,
    changes=st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from(["door", "garden"]), st.sampled_from(["offline", "online"])),
        min_size=1,
        max_size=10,
        unique_by=lambda one: one[0],
    ),
    switches=st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["home", "away"])), max_size=4),
    silences=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 120)), max_size=2),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_preview_equals_a_replay(fields: Any, changes: Any, switches: Any, silences: Any) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLOCK)
            cursor.execute("SELECT set_config('test.now', %s, true)", [BEGIN.isoformat()])
        make_first_modes()
        cameras = {name: CameraFactory(id=name) for name in ("door", "garden")}
        rule = AlertRuleFactory(**fields)
        for minute, name in switches:
            ModeChange.objects.create(mode_name=name, at=BEGIN + minute * MINUTE, by="test")
        for minute, length in silences:
            start = BEGIN + minute * MINUTE
            planned = {"severities": ["medium"], "starts_at": start, "ends_at": start + length * MINUTE}
            create_silence(fields=planned, by="test")
        history = ModeChange.objects.history(since=BEGIN, until=BEGIN + timedelta(days=1))
        for minute, name, status in sorted(changes):
            now = BEGIN + minute * MINUTE
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('test.now', %s, true)", [now.isoformat()])
                cursor.execute(
                    "UPDATE alerts_mode SET is_active = false; UPDATE alerts_mode SET is_active = true WHERE name = %s",
                    [[mode for at, mode in history if at <= now][-1]],
                )
            change = change_at(now, camera=cameras[name], status=status)
            CameraStatusChange.objects.wait_again(change.pk)  # by that clock
            evaluate_change(change.pk)
        replayed = {one.change_id: one.outcome for one in RuleDecision.objects.filter(rule=rule)}
        alerts = Alert.objects.exclude(status="suppressed").count()

        result = preview_rule(rule, channel_ids=[], days=1)

        assert {one.change_id: one.outcome for one in result.matches} == replayed
        assert result.counts["fired"] == alerts
        transaction.set_rollback(True)
