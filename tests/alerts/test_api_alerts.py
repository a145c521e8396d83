"""Alerts over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alerts.models import RuleDecision
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.factories import AlertFactory, CameraFactory, EventFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def ids(answer: Any) -> list[int]:
    return [one["id"] for one in answer.json()["results"]]


def key_client(role: Role, *camera_ids: str) -> APIClient:
    _, key = create_api_key(name="The phone", role=role, camera_ids=camera_ids)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


class TestRead:
    def test_an_alert_has_the_contracts_fields(self, client_as: Any) -> None:
        alert = AlertFactory(matched_conditions=["camera door"], rule__name="All", rule__severity="high")

        shown = client_as("viewer").get(f"/api/alerts/{alert.pk}").json()

        assert shown == {
            "id": alert.pk,
            "event": alert.event_id,
            "rule": alert.rule_id,
            "rule_name": "All",
            "camera": alert.camera_id,
            "trigger": "event",
            "severity": "high",
            "status": "pending",
            "dedup_key": alert.dedup_key,
            "matched_conditions": ["camera door"],
            "suppressed_count": 0,
            "suppression_reason": "",
            "created_at": alert.created_at.isoformat().replace("+00:00", "Z"),
            "delivered_at": None,
            "acknowledged_by": None,
            "acknowledged_at": None,
            "dismissed_by": None,
            "dismissed_at": None,
            "snoozed_by": None,
            "snoozed_at": None,
            "snoozed_until": None,
            "escalation": None,
            "note": "",
            "version": 1,
        }

    def test_the_list_is_newest_first(self, client_as: Any) -> None:
        alerts = [AlertFactory(created_at=NOON + timedelta(minutes=minute)) for minute in (1, 3, 2)]

        assert ids(client_as("viewer").get("/api/alerts")) == [alerts[1].pk, alerts[2].pk, alerts[0].pk]

    @pytest.mark.parametrize(
        "query",
        [
            "status=acknowledged",
            "severity=critical,high",
            "camera={alert.camera_id}",
            "rule={alert.rule_id}",
            "event={alert.event_id}",
            "created_after=2026-03-14T12:00:00Z",
            "created_after=2026-03-14T12:00:00Z&created_before=2026-03-14T12:00:01Z",
        ],
    )
    def test_filters_keep_what_they_say(self, client_as: Any, query: str) -> None:
        alert = AlertFactory(status="acknowledged", severity="high", created_at=NOON)
        AlertFactory(status="pending", severity="low", created_at=NOON - timedelta(seconds=1))

        assert ids(client_as("viewer").get(f"/api/alerts?{query.format(alert=alert)}")) == [alert.pk]

    @pytest.mark.parametrize("query", ["status=lost", "who=me", "created_after=2026-03-14T12:00:00", "rule=x"])
    def test_filters_that_mean_nothing_are_refused(self, client_as: Any, query: str) -> None:
        assert client_as("viewer").get(f"/api/alerts?{query}").status_code == 400

    def test_alerts_of_a_deleted_camera_are_hidden(self, client_as: Any) -> None:
        alert = AlertFactory(event__camera__deleted_at=timezone.now())

        assert ids(client_as("viewer").get("/api/alerts")) == []
        assert client_as("viewer").get(f"/api/alerts/{alert.pk}").status_code == 404

    def test_the_list_needs_as_many_statements_for_many_alerts(self, client_as: Any) -> None:
        AlertFactory.create_batch(10)
        client = client_as("viewer")

        with assert_query_count("api alerts list"):
            assert len(ids(client.get("/api/alerts"))) == 10

    def test_the_events_it_stands_for_are_listed(self, client_as: Any) -> None:
        alert, event = AlertFactory(suppressed_count=1), EventFactory()
        merged = EventFactory(merged_into=event)
        for one, outcome in ((event, "duplicate"), (merged, "duplicate"), (alert.event, "fired")):
            RuleDecision.objects.create(event=one, rule=alert.rule, outcome=outcome, alert=alert, reason="Why")

        answer = client_as("viewer").get(f"/api/alerts/{alert.pk}/duplicates?limit=5")

        assert [one["event"] for one in answer.json()["results"]] == [event.pk, event.pk]
        assert answer.json()["results"][0]["rule_name"] == alert.rule.name
        picked = client_as("viewer").get(f"/api/alerts/{alert.pk}/duplicates?limit=1&fields=event,reason").json()
        assert picked["results"] == [{"event": event.pk, "reason": "Why"}]


class TestAct:
    def test_acknowledging_gives_the_alert_as_it_is_then(self, client_as: Any) -> None:
        alert = AlertFactory()

        answer = client_as("reviewer").post(f"/api/alerts/{alert.pk}/acknowledge", {"note": "The cat", "version": 1})

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["note"], answer.json()["version"]) == (
            "acknowledged",
            "The cat",
            2,
        )
        assert answer.json()["acknowledged_by"].startswith("person")

    def test_a_key_is_recorded_by_its_name(self) -> None:
        alert = AlertFactory()

        answer = key_client(Role.REVIEWER).post(f"/api/alerts/{alert.pk}/acknowledge")

        assert answer.json()["acknowledged_by"] == "key:The phone"

    def test_from_a_wrong_state_is_a_conflict(self, client_as: Any) -> None:
        alert = AlertFactory(status="suppressed")

        for act in ("acknowledge", "dismiss"):
            answer = client_as("reviewer").post(f"/api/alerts/{alert.pk}/{act}")
            assert (answer.status_code, answer.json()["code"]) == (409, "INVALID_STATE_TRANSITION")

    def test_a_stale_version_is_a_conflict(self, client_as: Any) -> None:
        alert = AlertFactory(version=2)

        answer = client_as("reviewer").post(f"/api/alerts/{alert.pk}/dismiss", {"version": 1})

        assert (answer.status_code, answer.json()["code"]) == (409, "VERSION_CONFLICT")

    def test_dismissing_works_after_acknowledging(self, client_as: Any) -> None:
        alert = AlertFactory(status="acknowledged")

        assert client_as("reviewer").post(f"/api/alerts/{alert.pk}/dismiss").json()["status"] == "dismissed"

    def test_an_unknown_field_is_refused(self, client_as: Any) -> None:
        alert = AlertFactory()

        assert client_as("reviewer").post(f"/api/alerts/{alert.pk}/dismiss", {"why": "x"}).status_code == 400

    def test_a_viewer_may_not(self, client_as: Any) -> None:
        alert = AlertFactory()

        assert client_as("viewer").post(f"/api/alerts/{alert.pk}/acknowledge").status_code == 403

    @pytest.mark.parametrize("method", ["post", "patch", "delete"])
    def test_alerts_are_not_written_otherwise(self, client_as: Any, method: str) -> None:
        alert = AlertFactory()

        assert getattr(client_as("admin"), method)(f"/api/alerts/{alert.pk}").status_code == 405


class TestLimitedToCameras:
    def test_alerts_of_other_cameras_do_not_exist(self) -> None:
        own, other = AlertFactory(), AlertFactory()
        client = key_client(Role.REVIEWER, own.camera_id)

        assert ids(client.get("/api/alerts")) == [own.pk]
        for address in ("", "/duplicates"):
            assert client.get(f"/api/alerts/{other.pk}{address}").status_code == 404
        for act in ("acknowledge", "dismiss"):
            assert client.post(f"/api/alerts/{other.pk}/{act}").status_code == 404
        assert client.post(f"/api/alerts/{own.pk}/acknowledge").status_code == 200

    def test_duplicates_of_other_cameras_are_left_out(self) -> None:
        alert = AlertFactory()
        own, other = EventFactory(camera=alert.camera), EventFactory(camera=CameraFactory())
        for event in (own, other):
            RuleDecision.objects.create(event=event, rule=alert.rule, outcome="duplicate", alert=alert)

        answer = key_client(Role.VIEWER, alert.camera_id).get(f"/api/alerts/{alert.pk}/duplicates")

        assert [one["event"] for one in answer.json()["results"]] == [own.pk]
