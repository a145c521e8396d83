"""Modes, silences and quiet hours over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alerts.services.modes import make_first_modes
from tests.factories import AlertFactory, AlertRuleFactory, CameraFactory, ChannelFactory, UserFactory

pytestmark = pytest.mark.django_db
NIGHT = {"days": ["monday"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}


@pytest.fixture
def operator(key_client: Any) -> APIClient:
    make_first_modes()
    client: APIClient = key_client("operator")
    return client


def soon() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def test_modes_are_listed_switched_and_the_active_one_told(operator: APIClient) -> None:
    listed = {mode["name"]: mode for mode in operator.get("/api/modes").json()["results"]}

    switched = operator.post(f"/api/modes/{listed['away']['id']}/activate")

    assert listed["home"]["active"] is True
    assert (switched.status_code, switched.json()["active"]) == (200, True)
    assert operator.get("/api/modes/active").json()["name"] == "away"


def test_a_mode_of_ones_own_takes_switch_times_and_gives_them_back(operator: APIClient) -> None:
    times = {"timezone": "Europe/Berlin", "times": [{"days": ["friday"], "at": "18:30"}]}

    made = operator.post("/api/modes", {"name": "weekend", "switch_times": times}, format="json")
    changed = operator.patch(f"/api/modes/{made.json()['id']}", {"switch_times": None}, format="json")

    assert (made.status_code, made.json()["switch_times"]) == (201, times)
    assert changed.json()["switch_times"] is None
    assert operator.delete(f"/api/modes/{made.json()['id']}").status_code == 204


@pytest.mark.parametrize(
    ("times", "field"),
    [
        ({"timezone": "Mars/Phobos", "times": [{"at": "18:30"}]}, "switch_times.timezone"),
        ({"timezone": "UTC", "times": [{"at": "25:00"}]}, "switch_times.times.0.at"),
        ({"timezone": "UTC", "times": [{"at": "18:30", "days": ["someday"]}]}, "switch_times.times.0.days.0"),
        ({"timezone": "UTC", "times": []}, "switch_times.times"),
    ],
)
def test_unusable_switch_times_are_refused_by_field(operator: APIClient, times: Any, field: str) -> None:
    answer = operator.post("/api/modes", {"name": "weekend", "switch_times": times}, format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_taken_names_and_modes_in_use_are_conflicts(operator: APIClient) -> None:
    AlertRuleFactory(modes=["night"])
    ids = {mode["name"]: mode["id"] for mode in operator.get("/api/modes").json()["results"]}

    assert operator.post("/api/modes", {"name": "home"}, format="json").json()["code"] == "DUPLICATE_RESOURCE"
    assert operator.delete(f"/api/modes/{ids['home']}").status_code == 409
    assert operator.delete(f"/api/modes/{ids['night']}").json()["details"]["rules"]
    assert operator.delete(f"/api/modes/{ids['away']}").status_code == 204


def test_a_rule_takes_modes_that_exist(operator: APIClient) -> None:
    good = operator.post("/api/alert-rules", {"name": "r", "modes": ["away", "away"]}, format="json")
    bad = operator.post("/api/alert-rules", {"name": "s", "modes": ["beach"]}, format="json")

    assert (good.status_code, good.json()["modes"]) == (201, ["away"])
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "modes.0")


def test_a_silence_is_made_read_changed_and_deleted(operator: APIClient) -> None:
    camera = CameraFactory()

    made = operator.post("/api/silences", {"camera_ids": [camera.pk], "ends_at": soon(), "comment": "x"}, format="json")
    path = f"/api/silences/{made.json()['id']}"

    assert made.status_code == 201
    assert made.json()["created_by"].startswith("key:")
    assert operator.patch(path, {"comment": "y"}, format="json").json()["comment"] == "y"
    assert [one["id"] for one in operator.get("/api/silences?state=active").json()["results"]] == [made.json()["id"]]
    assert operator.get("/api/silences?state=expired,pending").json()["results"] == []
    assert operator.delete(path).status_code == 204
    assert operator.get(path).json()["code"] == "SILENCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z", "severities": ["low"]}, "ends_at"),
        ({"ends_at": "soon", "severities": ["low"]}, "ends_at"),
        ({"ends_at": "2999-01-01T00:00:00", "severities": ["low"]}, "ends_at"),
        ({"starts_at": "2026-01-01", "severities": ["low"]}, "starts_at"),
        ({"severities": ["awful"]}, "severities.0"),
        ({"cameras": ["x"]}, "cameras"),
    ],
)
def test_silences_of_no_use_are_refused_by_field(operator: APIClient, body: Any, field: str) -> None:
    answer = operator.post("/api/silences", {"ends_at": soon(), **body} if body else {}, format="json")

    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_snoozing_a_camera_or_a_rule_makes_a_silence(operator: APIClient) -> None:
    camera, rule = CameraFactory(), AlertRuleFactory()

    by_camera = operator.post("/api/silences/snooze", {"camera": camera.pk, "minutes": 5}, format="json")
    by_rule = operator.post("/api/silences/snooze", {"rule": rule.pk, "minutes": 5}, format="json")
    neither = operator.post("/api/silences/snooze", {"minutes": 5}, format="json")
    unknown = operator.post("/api/silences/snooze", {"rule": 404, "minutes": 5}, format="json")

    assert (by_camera.status_code, by_camera.json()["camera_ids"]) == (201, [camera.pk])
    assert (by_rule.status_code, by_rule.json()["rule_ids"]) == (201, [rule.pk])
    assert (neither.status_code, unknown.status_code) == (400, 404)


def test_quiet_hours_belong_to_a_channel_or_to_a_person(operator: APIClient) -> None:
    channel, ada = ChannelFactory(), UserFactory()

    mine = operator.post("/api/quiet-hours", {"user": ada.username, "schedule": NIGHT}, format="json")
    its = operator.post("/api/quiet-hours", {"channel": channel.pk, "schedule": NIGHT}, format="json")
    both = operator.post(
        "/api/quiet-hours", {"channel": channel.pk, "user": ada.username, "schedule": NIGHT}, format="json"
    )
    path = f"/api/quiet-hours/{its.json()['id']}"

    assert (mine.status_code, mine.json()["user"], mine.json()["critical_passes"]) == (201, ada.username, True)
    assert (its.status_code, its.json()["schedule"]) == (201, NIGHT)
    assert both.status_code == 400
    assert operator.patch(path, {"enabled": False}, format="json").json()["enabled"] is False
    assert operator.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("change", "field"),
    [({"end": "22:00"}, "end"), ({"timezone": "Mars/Phobos"}, "timezone"), ({"days": ["someday"]}, "days.0")],
)
def test_unusable_quiet_hours_are_refused_by_field(operator: APIClient, change: Any, field: str) -> None:
    body = {"channel": ChannelFactory().pk, "schedule": {**NIGHT, **change}}

    answer = operator.post("/api/quiet-hours", body, format="json")

    assert answer.json()["errors"][0]["field"] == f"schedule.{field}"


@pytest.mark.parametrize("path", ["modes", "silences", "quiet-hours"])
def test_reviewers_see_none_of_it(key_client: Any, path: str) -> None:
    assert key_client("reviewer").get(f"/api/{path}").status_code == 403


class TestAlerts:
    def test_a_reviewer_snoozes_an_alert(self, key_client: Any) -> None:
        alert = AlertFactory()
        client = key_client("reviewer")

        done = client.post(f"/api/alerts/{alert.pk}/snooze", {"minutes": 15, "version": 1}, format="json")
        stale = client.post(f"/api/alerts/{alert.pk}/snooze", {"minutes": 15, "version": 1}, format="json")
        bad = client.post(f"/api/alerts/{alert.pk}/snooze", {"minutes": 0}, format="json")

        assert done.status_code == 200
        assert done.json()["snoozed_until"] is not None
        assert (stale.status_code, stale.json()["code"], bad.status_code) == (409, "VERSION_CONFLICT", 400)

    def test_many_are_answered_each_on_its_own(self, key_client: Any) -> None:
        mine, done, other = AlertFactory(), AlertFactory(status="dismissed"), AlertFactory()
        client = key_client("reviewer", cameras=(mine.camera_id, done.camera_id))
        ids = [mine.pk, done.pk, other.pk, 404_404]

        answer = client.patch("/api/alerts/bulk", {"ids": ids, "action": "dismiss", "note": "all"}, format="json")

        assert answer.status_code == 207
        assert [(one["id"], one["status"]) for one in answer.json()["results"]] == list(
            zip(ids, [200, 409, 404, 404], strict=True)
        )
        mine.refresh_from_db()
        other.refresh_from_db()
        assert (mine.status, mine.note, other.status) == ("dismissed", "all", "pending")

    @pytest.mark.parametrize(
        "body", [{"ids": []}, {"ids": [1], "action": "snooze"}, {"ids": [1], "action": "dismiss", "minutes": 1}]
    )
    def test_bulk_bodies_of_no_use_are_refused(self, key_client: Any, body: Any) -> None:
        assert key_client("reviewer").patch("/api/alerts/bulk", body, format="json").status_code == 400
