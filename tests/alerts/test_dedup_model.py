"""Dedup and suppression against a model of a few lines, over generated histories."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerts.choices import Severity
from alerts.models import Alert, AlertRule, RuleDecision, Silence
from alerts.services.evaluation import evaluate_event
from alerts.services.silences import create_silence, delete_silence
from cameras.models import Camera
from events.models import Event
from tests.alerts.test_preview import CLOCK
from tests.factories import AlertRuleFactory, CameraFactory, DetectionFactory, EventFactory

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATE_AFTER = timedelta(hours=1)
BOUNDS = settings(max_examples=12, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck))
TYPES = st.sampled_from(["person", "cat"])
RULE = st.fixed_dictionaries(
    {
        "object_types": st.sampled_from([[], ["person"]]),
        "severity": st.sampled_from(["low", "medium", "critical"]),
        "cooldown_seconds": st.sampled_from([0, 60, 600]),
        "dedup_key_template": st.sampled_from(["{camera_id}:{rule_id}", "{camera_id}", "all"]),
    }
)


@dataclass
class Model:
    """What ought to happen, told as simply as it can be."""

    now: datetime = BEGIN
    fired: list[tuple[str, datetime, int]] = field(default_factory=list)
    silences: dict[int, tuple[str, Any, datetime]] = field(default_factory=dict)
    decisions: dict[tuple[int, int], str] = field(default_factory=dict)

    def judge(self, event: Event, rules: list[AlertRule], seen: list[tuple[str, datetime, datetime]]) -> None:
        """Decide each rule that holds and is not decided; the most severe first."""
        for one in sorted(rules, key=lambda one: (-Severity(one.severity).rank, one.pk)):
            by = [what for what in seen if not one.object_types or what[0] in one.object_types]
            if by and (event.pk, one.pk) not in self.decisions:
                self.decisions[event.pk, one.pk] = self.decide(event, one, by)

    def decide(self, event: Event, one: AlertRule, by: list[tuple[str, datetime, datetime]]) -> str:
        """Say what becomes of a rule that holds by these detections."""
        if all(arrived - at > LATE_AFTER for _, at, arrived in by) or self.is_silent(event, one):
            return "suppressed"
        key = one.dedup_key_template.format(camera_id=event.camera_id, rule_id=one.pk)
        cooldown, rank = timedelta(seconds=one.cooldown_seconds), Severity(one.severity).rank
        taken = any(k == key and r >= rank and at >= self.now - cooldown for k, at, r in self.fired)
        if cooldown and taken:
            return "duplicate"
        self.fired.append((key, self.now, rank))
        return "fired"

    def is_silent(self, event: Event, one: AlertRule) -> bool:
        """Tell whether a silence covers it now."""
        subject = {"camera_ids": event.camera_id, "rule_ids": one.pk, "severities": one.severity}
        return any(subject[name] == value and self.now < ends for name, value, ends in self.silences.values())


class History(RuleBasedStateMachine):
    """Events arrive and grow, late or not, time passes, silences come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.cameras: list[Camera] = [CameraFactory() for _ in range(2)]
        self.alert_rules: list[AlertRule] = []
        self.seen: dict[int, list[tuple[str, datetime, datetime]]] = {}
        self.events: list[Event] = []
        with connection.cursor() as cursor:
            cursor.execute(CLOCK)
        self._pass(timedelta(0))

    def teardown(self) -> None:
        """Leave nothing behind."""
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(rules=st.lists(RULE, min_size=2, max_size=3))
    def set_up(self, rules: list[Any]) -> None:
        self.alert_rules = [AlertRuleFactory(**fields) for fields in rules]

    @rule(camera=st.integers(0, 1), object_type=TYPES, is_late=st.booleans())
    def arrive(self, camera: int, object_type: str, is_late: bool) -> None:  # noqa: FBT001  # hypothesis names it
        event: Event = EventFactory(camera=self.cameras[camera], started_at=self.model.now, ended_at=self.model.now)
        self.events.append(event)
        self._see(event, object_type, is_late=is_late)

    @precondition(lambda self: self.events)
    @rule(data=st.data(), object_type=TYPES)
    def grow(self, data: st.DataObject, object_type: str) -> None:
        self._see(data.draw(st.sampled_from(self.events)), object_type, is_late=False)

    @rule(seconds=st.sampled_from([1, 58, 59, 60, 540, 599, 600]))
    def let_time_pass(self, seconds: int) -> None:
        self._pass(seconds * SECOND)

    @rule(data=st.data(), matcher=st.sampled_from(["camera_ids", "rule_ids", "severities"]), length=st.integers(1, 300))
    def silence(self, data: st.DataObject, matcher: str, length: int) -> None:
        values = {
            "camera_ids": [camera.pk for camera in self.cameras],
            "rule_ids": [one.pk for one in self.alert_rules],
            "severities": ["low", "critical"],
        }
        value, ends_at = data.draw(st.sampled_from(values[matcher])), self.model.now + length * SECOND
        made: Silence = create_silence(fields={matcher: [value], "ends_at": ends_at}, by="test")
        self.model.silences[made.pk] = (matcher, value, ends_at)

    @precondition(lambda self: self.model.silences)
    @rule(data=st.data())
    def end_silence(self, data: st.DataObject) -> None:
        ended = data.draw(st.sampled_from(sorted(self.model.silences)))
        delete_silence(ended)
        del self.model.silences[ended]

    @invariant()
    def every_match_is_an_alert_or_a_recorded_reason(self) -> None:
        rows = RuleDecision.objects.all()
        assert {(row.event_id, row.rule_id): row.outcome for row in rows} == self.model.decisions
        for row in rows:
            assert row.reason
            assert row.alert_id is not None
        for alert in Alert.objects.all():
            assert alert.suppressed_count == sum(
                row.outcome == "duplicate" and row.alert_id == alert.pk for row in rows
            )
            assert (alert.status == "suppressed") == bool(alert.suppression_reason)

    @invariant()
    def a_key_has_one_alert_a_window_unless_a_higher_severity_breaks_through(self) -> None:
        told = list(Alert.objects.exclude(status="suppressed").select_related("rule"))
        told.sort(key=lambda alert: (alert.created_at, -Severity(alert.severity).rank, alert.pk))
        for number, alert in enumerate(told):
            assert alert.rule is not None
            since = alert.created_at - timedelta(seconds=alert.rule.cooldown_seconds)
            before = [one for one in told[:number] if one.dedup_key == alert.dedup_key and one.created_at >= since]
            if alert.rule.cooldown_seconds:
                assert all(Severity(one.severity).rank < Severity(alert.severity).rank for one in before)

    def _see(self, event: Event, object_type: str, *, is_late: bool) -> None:
        now = self.model.now
        at = now - LATE_AFTER - SECOND if is_late else now
        DetectionFactory(event=event, camera=event.camera, object_type=object_type, detected_at=at, created_at=now)
        self.seen.setdefault(event.pk, []).append((object_type, at, now))
        Event.objects.wait_again(event.pk)
        evaluate_event(event.pk)
        self.model.judge(event, self.alert_rules, self.seen[event.pk])
        self._pass(SECOND)  # so that no two judgements share a moment, and their order can be read from the rows

    def _pass(self, span: timedelta) -> None:
        self.model.now += span
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('test.now', %s, true)", [self.model.now.isoformat()])


def test_generated_histories_come_out_as_the_model_says(settings: Any) -> None:
    settings.LATE_AFTER = LATE_AFTER
    run_state_machine_as_test(History, settings=BOUNDS)
