"""Rules about cameras that fall silent and come back: told of once, like events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert, AlertRule, Delivery
from alerts.services import camera_evaluation
from alerts.services.camera_evaluation import evaluate_change
from alerts.services.evaluation import evaluate_event
from alerts.services.rule_changes import create_rule
from cameras.choices import CameraStatus
from cameras.models import Camera, CameraStatusChange
from cameras.services import mark_silent_cameras
from cameras.services.cameras import note_seen
from siteadmin.core import heartbeat
from siteadmin.core.pipeline import Step
from siteadmin.core.sweeper import WAITING
from tests.core.threads import run_together
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory, EventFactory

pytestmark = pytest.mark.django_db


def silent_camera(**fields: Any) -> Camera:
    """Make a camera that was silent for longer than it may."""
    fields = {"status": CameraStatus.ONLINE, "offline_after_seconds": 60, **fields}
    camera: Camera = CameraFactory(last_seen_at=timezone.now() - timedelta(seconds=90), **fields)
    return camera


def changes() -> list[tuple[str, str]]:
    return list(CameraStatusChange.objects.order_by("pk").values_list("camera_id", "status"))


def offline(camera: Camera, *, at: datetime | None = None) -> CameraStatusChange:
    change: CameraStatusChange = CameraStatusChange.objects.create(
        camera=camera, status=CameraStatus.OFFLINE, at=at or timezone.now()
    )
    return change


class TestChanges:
    def test_a_silent_camera_changes_once_however_often_it_is_looked_at(
        self, asked: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        camera = silent_camera()
        with django_capture_on_commit_callbacks(execute=True):
            assert [mark_silent_cameras().went_offline for _ in range(3)] == [1, 0, 0]
        assert changes() == [(camera.pk, "offline")]
        assert asked == [(Step.EVALUATE_CAMERA, CameraStatusChange.objects.get().pk)]

    def test_a_picture_brings_it_back_once(self) -> None:
        camera = silent_camera()
        mark_silent_cameras()
        for _ in range(3):
            note_seen(camera.pk)
        assert changes() == [(camera.pk, "offline"), (camera.pk, "online")]

    def test_a_short_blip_changes_nothing(self) -> None:
        camera = silent_camera(offline_after_seconds=100)
        mark_silent_cameras()
        note_seen(camera.pk)
        assert changes() == []

    def test_a_camera_that_is_new_or_deleted_changes_nothing(self) -> None:
        note_seen(CameraFactory().pk)
        silent_camera(deleted_at=timezone.now())
        mark_silent_cameras()
        assert changes() == []

    def test_an_old_picture_does_not_bring_it_back(self) -> None:
        camera = silent_camera()
        mark_silent_cameras()
        note_seen(camera.pk, seen_at=timezone.now() - timedelta(hours=1))
        camera.refresh_from_db()
        assert (changes(), camera.status) == ([(camera.pk, "offline")], "offline")

    def test_while_the_watcher_was_away_nobody_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        silent_camera()
        heartbeat.note_watcher(left={})  # it started just now
        mark_silent_cameras()
        assert changes() == []

        with monkeypatch.context() as patch:
            patch.setattr(heartbeat, "WATCHER_SILENT", timedelta(0))  # and is gone again
            mark_silent_cameras()
        assert changes() == []

    def test_the_change_waits_for_the_sweeper_where_no_message_came(self) -> None:
        silent_camera()
        mark_silent_cameras()
        CameraStatusChange.objects.update(due_at=timezone.now() - timedelta(minutes=1))
        assert list(WAITING[Step.EVALUATE_CAMERA].sweep(limit=10)) == [CameraStatusChange.objects.get().pk]


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_many_who_look_at_once_make_one_change_each_way(self) -> None:
        camera = silent_camera()
        run_together(lambda _: mark_silent_cameras())
        run_together(lambda _: note_seen(camera.pk))
        assert changes() == [(camera.pk, "offline"), (camera.pk, "online")]

    def test_many_workers_tell_once(self) -> None:
        AlertRuleFactory(trigger="camera_offline", cooldown_seconds=0)
        change = offline(silent_camera())
        run_together(lambda _: evaluate_change(change.pk))
        assert Alert.objects.count() == 1


class TestRules:
    def test_an_alert_without_an_event_is_told_by_its_channels(self) -> None:
        rule = AlertRuleFactory(trigger="camera_offline", severity="high", channels=[ChannelFactory()])
        change = offline(silent_camera())

        result = evaluate_change(change.pk)

        alert, change = Alert.objects.get(), CameraStatusChange.objects.get()
        assert (result.triggered_rules[0].alert_id, result.event_id) == (alert.pk, None)
        assert (alert.event, alert.rule, alert.camera_id, alert.severity) == (None, rule, change.camera_id, "high")
        assert (alert.trigger, alert.matched_conditions) == ("camera_offline", ["the camera is silent"])
        assert Delivery.objects.get().alert == alert
        assert change.due_at is None

    def test_a_second_evaluation_does_nothing(self) -> None:
        AlertRuleFactory(trigger="camera_offline", cooldown_seconds=0)
        change = offline(silent_camera())
        evaluate_change(change.pk)
        assert not evaluate_change(change.pk).has_triggers
        assert Alert.objects.count() == 1

    def test_each_trigger_has_its_own_rules(self) -> None:
        AlertRuleFactory(trigger="event")
        AlertRuleFactory(trigger="camera_online")
        assert not evaluate_change(offline(silent_camera()).pk).has_triggers

    def test_an_event_fires_no_rule_about_silence(self) -> None:
        AlertRuleFactory(trigger="camera_offline")
        assert not evaluate_event(EventFactory(due_at=timezone.now()).pk).has_triggers

    def test_other_cameras_and_other_modes_do_not_fire(self) -> None:
        other = CameraFactory()
        AlertRuleFactory(trigger="camera_offline", camera_ids=[other.pk])
        AlertRuleFactory(trigger="camera_offline", modes=["no such mode"])
        assert not evaluate_change(offline(silent_camera()).pk).has_triggers

    @pytest.mark.parametrize(("hour", "fires"), [(23, True), (12, False)])
    def test_the_schedule_counts_at_the_time_of_the_change(self, hour: int, fires: bool) -> None:
        night = {"days": ["saturday"], "start": "22:00", "end": "06:00", "timezone": "UTC"}
        AlertRuleFactory(trigger="camera_offline", schedule=night)
        at = datetime(2026, 3, 14, hour, 0, tzinfo=UTC)
        assert evaluate_change(offline(silent_camera(), at=at).pk).has_triggers is fires

    def test_a_second_silence_within_the_cooldown_is_a_duplicate(self) -> None:
        AlertRuleFactory(trigger="camera_offline", cooldown_seconds=300)
        camera = silent_camera()
        evaluate_change(offline(camera).pk)
        evaluate_change(offline(camera).pk)
        assert Alert.objects.get().suppressed_count == 1

    def test_a_demo_camera_reaches_the_inbox_alone(self) -> None:
        inbox, hook = ChannelFactory(kind="inbox"), ChannelFactory(kind="webhook")
        AlertRuleFactory(trigger="camera_offline", channels=[inbox, hook])
        evaluate_change(offline(silent_camera(demo=True)).pk)
        assert Delivery.objects.get().channel == inbox

    def test_a_failure_leaves_the_change_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        AlertRuleFactory(trigger="camera_offline")
        change = offline(silent_camera())

        def fail(*_: Any, **__: Any) -> None:
            raise camera_evaluation.ConflictError("lost")

        with monkeypatch.context() as patch:
            patch.setattr(camera_evaluation, "settle", fail)
            assert "lost" in str(evaluate_change(change.pk).error)
        CameraStatusChange.objects.update(due_at=timezone.now())
        assert evaluate_change(change.pk).has_triggers


class TestSaving:
    @pytest.mark.parametrize(
        ("field", "value"),
        [("risk_threshold", 50), ("object_types", ["person"]), ("min_confidence", 0.5)],
    )
    def test_conditions_on_what_is_seen_are_refused(self, key_client: Any, field: str, value: Any) -> None:
        body = {"name": "silent", "trigger": "camera_offline", field: value}
        answer = key_client("operator").post("/api/alert-rules", body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)

    def test_a_key_of_what_is_seen_is_refused(self, key_client: Any) -> None:
        body = {"name": "silent", "trigger": "camera_online", "dedup_key_template": "{camera_id}:{zone}"}
        answer = key_client("operator").post("/api/alert-rules", body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "dedup_key_template")

    def test_a_rule_cannot_become_one_about_silence_while_it_has_such_a_condition(self, key_client: Any) -> None:
        rule = create_rule(fields={"name": "seen", "risk_threshold": 50})
        client = key_client("operator")
        address = f"/api/alert-rules/{rule.pk}"
        assert client.patch(address, {"trigger": "camera_offline"}, format="json").status_code == 400
        body = {"trigger": "camera_offline", "risk_threshold": None}
        assert client.patch(address, body, format="json").json()["trigger"] == "camera_offline"
        assert AlertRule.objects.get().trigger == "camera_offline"

    def test_an_unknown_trigger_is_refused(self, key_client: Any) -> None:
        answer = key_client("operator").post("/api/alert-rules", {"name": "a", "trigger": "moon"}, format="json")
        assert answer.status_code == 400
