"""What is told of every rule for an event and for a camera's change of status."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, RuleDecision
from alerts.services.camera_evaluation import evaluate_change
from alerts.services.evaluation import evaluate_event
from alerts.services.explanation import explain_change
from alerts.services.silences import snooze_rule
from cameras.models import CameraStatusChange
from siteadmin.core.groups import sync_groups
from tests.alerts.judging import waiting_event
from tests.factories import AlertRuleFactory, CameraFactory, EventFactory, UserFactory

pytestmark = pytest.mark.django_db


def silence_of(camera: Any) -> CameraStatusChange:
    change: CameraStatusChange = CameraStatusChange.objects.create(camera=camera, status="offline")
    return change


class TestEvents:
    def test_the_api_gives_the_result_as_it_was_stored(self, client_as: Any) -> None:
        fires = AlertRuleFactory(name="Person", object_types=["person"], severity="high")
        snoozed = AlertRuleFactory(name="Snoozed")
        duplicate = AlertRuleFactory(name="Again", severity="low", dedup_key_template=f"{{camera_id}}:{fires.pk}")
        waits = AlertRuleFactory(name="Car", object_types=["car"])
        off = AlertRuleFactory(name="Off", enabled=False)
        AlertRuleFactory(name="Silent camera", trigger="camera_offline")
        snooze_rule(snoozed.pk, minutes=5, by="ada", comment="Guests")
        event = waiting_event()
        evaluate_event(event.pk)
        new = AlertRuleFactory(name="New")

        shown = client_as("operator").get(f"/api/events/{event.pk}/evaluation").json()

        alert, held_back = Alert.objects.get(rule=fires), Alert.objects.get(rule=snoozed)
        [fired] = shown.pop("triggered_rules")
        assert shown.pop("event") == event.pk
        assert fired.pop("decided_at")
        assert fired == {
            "rule": fires.pk,
            "rule_name": "Person",
            "severity": "high",
            "reason": "Person with confidence 0.90",
            "alert": alert.pk,
            "dedup_key": alert.dedup_key,
        }
        assert [(one["rule"], one["outcome"], one["alert"], one["reason"]) for one in shown.pop("skipped_rules")] == [
            (duplicate.pk, "duplicate", alert.pk, f"Within the cooldown of alert {alert.pk}"),
            (snoozed.pk, "suppressed", held_back.pk, held_back.suppression_reason),
            (waits.pk, "not_yet", None, "No car was seen, but person"),
            (new.pk, "not_judged", None, "It is judged when the event changes"),
            (off.pk, "not_judged", None, "The rule is switched off"),
        ]
        assert shown == {"has_triggers": True, "highest_severity": "high"}

    def test_who_may_not_see_the_rules_may_not_see_what_became_of_them(self, key_client: Any) -> None:
        event = EventFactory()
        address = f"/api/events/{event.pk}/evaluation"

        assert key_client("reviewer").get(address).status_code == 403
        assert key_client("operator", cameras=(event.camera_id,)).get(address).status_code == 404
        assert key_client("operator").get("/api/events/4711/evaluation").json()["code"] == "EVENT_NOT_FOUND"


class TestChanges:
    def test_every_rule_about_silence_says_why_it_fired_or_did_not(self) -> None:
        AlertRuleFactory(name="All", trigger="camera_offline", cooldown_seconds=300)
        AlertRuleFactory(name="Other", trigger="camera_offline", camera_ids=[CameraFactory(id="garden").pk])
        AlertRuleFactory(name="Back", trigger="camera_online")
        camera = CameraFactory(id="door")
        first, second = silence_of(camera), silence_of(camera)
        evaluate_change(first.pk)
        evaluate_change(second.pk)
        AlertRuleFactory(name="Too late", trigger="camera_offline")
        first.refresh_from_db()

        told = [
            [(one.rule_name, one.outcome, one.reason) for one in explain_change(one).answers] for one in (first, second)
        ]

        others = [("Other", "not_yet", "Camera door is not one of garden")]
        assert told[0] == [("All", "fired", "The camera is silent"), *others, told[0][-1]]
        assert told[0][-1] == ("Too late", "not_judged", "The rule was not there yet")
        assert told[1][0] == ("All", "duplicate", f"Within the cooldown of alert {Alert.objects.get().pk}")

    def test_a_duplicate_is_listed_with_the_camera_it_happened_at(self, client_as: Any) -> None:
        AlertRuleFactory(trigger="camera_offline", dedup_key_template="all")
        first, second = silence_of(CameraFactory()), silence_of(CameraFactory())
        evaluate_change(first.pk)
        evaluate_change(second.pk)

        [listed] = client_as("viewer").get(f"/api/alerts/{Alert.objects.get().pk}/duplicates").json()["results"]

        assert (listed["event"], listed["change"], listed["camera"]) == (None, second.pk, second.camera_id)

    def test_a_change_is_decided_once(self) -> None:
        AlertRuleFactory(trigger="camera_offline", cooldown_seconds=0)
        change = silence_of(CameraFactory())
        evaluate_change(change.pk)
        CameraStatusChange.objects.update(due_at=timezone.now())

        assert not evaluate_change(change.pk).has_triggers
        assert (Alert.objects.count(), RuleDecision.objects.count()) == (1, 1)

    def test_its_page_tells_it_to_staff(self) -> None:
        sync_groups()
        AlertRuleFactory(name="Say so", trigger="camera_offline")
        change = silence_of(CameraFactory())
        evaluate_change(change.pk)
        client = Client()
        client.force_login(UserFactory(role="viewer"))

        page = client.get(f"/admin/cameras/camerastatuschange/{change.pk}/change/").content.decode()

        assert "Say so" in page
        assert "The camera is silent" in page
