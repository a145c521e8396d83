"""Alert rules over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from alerts.models import Alert, AlertRule
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.factories import AlertFactory, AlertRuleFactory, CameraFactory, ChannelFactory, ZoneFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

NIGHT = {"days": ["monday", "friday"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}


@pytest.fixture
def operator(client_as: Any) -> APIClient:
    """Give a client of an operator."""
    client: APIClient = client_as("operator")
    return client


def fields_of(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


class TestCreate:
    def test_everything_given_comes_back_as_it_was(self, operator: APIClient) -> None:
        zone, channel = ZoneFactory(), ChannelFactory()
        given = {
            "name": "People at night",
            "description": "At the door",
            "enabled": False,
            "severity": "critical",
            "risk_threshold": 70,
            "camera_ids": [zone.camera_id],
            "object_types": ["person", "car"],
            "min_confidence": 0.6,
            "zone_ids": [zone.pk],
            "schedule": NIGHT,
            "dedup_key_template": "{camera_id}/{zone}",
            "cooldown_seconds": 0,
            "channel_ids": [channel.pk],
        }

        answer = operator.post("/api/alert-rules", given)

        assert answer.status_code == 201
        stored = operator.get(f"/api/alert-rules/{answer.json()['id']}").json()
        assert stored == answer.json()
        assert {name: stored[name] for name in given} == given
        assert stored["last_fired_at"] is None

    def test_a_name_is_enough(self, operator: APIClient) -> None:
        rule = operator.post("/api/alert-rules", {"name": "All"}).json()

        assert (rule["severity"], rule["cooldown_seconds"], rule["enabled"]) == ("medium", 300, True)
        assert rule["dedup_key_template"] == "{camera_id}:{rule_id}"
        assert (rule["camera_ids"], rule["schedule"], rule["channel_ids"]) == ([], None, [])

    def test_what_is_said_twice_is_kept_once_and_days_in_their_order(self, operator: APIClient) -> None:
        schedule = NIGHT | {"days": ["friday", "monday", "friday"]}

        rule = operator.post(
            "/api/alert-rules", {"name": "All", "object_types": ["cat", "dog", "cat"], "schedule": schedule}
        ).json()

        assert (rule["object_types"], rule["schedule"]) == (["cat", "dog"], NIGHT)

    def test_a_taken_name_is_a_conflict(self, operator: APIClient) -> None:
        AlertRuleFactory(name="All")

        answer = operator.post("/api/alert-rules", {"name": "All"})

        assert (answer.status_code, answer.json()["code"]) == (409, "DUPLICATE_RESOURCE")
        assert AlertRule.objects.count() == 1

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"name": ""}, "name"),
            ({"severity": "huge"}, "severity"),
            ({"risk_threshold": 101}, "risk_threshold"),
            ({"risk_threshold": -1}, "risk_threshold"),
            ({"camera_ids": ["nowhere"]}, "camera_ids.0"),
            ({"camera_ids": "front_door"}, "camera_ids"),
            ({"zone_ids": [99]}, "zone_ids.0"),
            ({"zone_ids": [2**63]}, "zone_ids.0"),
            ({"channel_ids": [99]}, "channel_ids.0"),
            ({"object_types": [""]}, "object_types.0"),
            ({"min_confidence": 1.5}, "min_confidence"),
            ({"min_confidence": "nan"}, "min_confidence"),
            ({"schedule": NIGHT | {"days": ["someday"]}}, "schedule.days.0"),
            ({"schedule": NIGHT | {"timezone": "Mars/Olympus"}}, "schedule.timezone"),
            ({"schedule": NIGHT | {"end": "22:00"}}, "schedule.end"),
            ({"schedule": NIGHT | {"start": "25:00"}}, "schedule.start"),
            ({"schedule": NIGHT | {"until": "6"}}, "schedule.until"),
            ({"schedule": {"start": "22:00"}}, "schedule.end"),
            ({"dedup_key_template": "{camera_id.name}"}, "dedup_key_template"),
            ({"dedup_key_template": "{who}"}, "dedup_key_template"),
            ({"dedup_key_template": ""}, "dedup_key_template"),
            ({"cooldown_seconds": -1}, "cooldown_seconds"),
            ({"cooldown_seconds": 30 * 86_400 + 1}, "cooldown_seconds"),
            ({"cooldown_seconds": 1.5}, "cooldown_seconds"),
            ({"modes": ["away"]}, "modes.0"),
            ({"trigger": "full_moon"}, "trigger"),
        ],
    )
    def test_what_cannot_be_used_is_refused_by_field(
        self, operator: APIClient, given: dict[str, Any], field: str
    ) -> None:
        answer = operator.post("/api/alert-rules", {"name": "All"} | given)

        assert answer.status_code == 400
        assert field in fields_of(answer)
        assert not AlertRule.objects.exists()


def test_a_word_that_is_none_of_several_is_refused_with_those_that_are_allowed(operator: APIClient) -> None:
    answer = operator.post(
        "/api/alert-rules", {"name": "All", "severity": "awful", "schedule": NIGHT | {"days": ["someday"]}}
    )

    told = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert told["severity"] == "'awful' is not one of: low, medium, high, critical."
    assert told["schedule.days.0"].startswith("'someday' is not one of: monday, tuesday,")


class TestChange:
    def test_patch_changes_what_is_given_alone(self, operator: APIClient) -> None:
        rule = AlertRuleFactory(risk_threshold=50, schedule=NIGHT, channels=[ChannelFactory()])

        answer = operator.patch(f"/api/alert-rules/{rule.pk}", {"enabled": False})

        assert answer.status_code == 200
        rule.refresh_from_db()
        assert (rule.enabled, rule.risk_threshold, rule.schedule, len(rule.channel_ids)) == (False, 50, NIGHT, 1)

    def test_conditions_can_be_taken_away(self, operator: APIClient) -> None:
        rule = AlertRuleFactory(risk_threshold=50, schedule=NIGHT, channels=[ChannelFactory()])
        nothing = {"risk_threshold": None, "schedule": None, "channel_ids": []}

        answer = operator.patch(f"/api/alert-rules/{rule.pk}", nothing)

        assert {name: answer.json()[name] for name in nothing} == nothing

    def test_a_schedule_is_changed_as_a_whole(self, operator: APIClient) -> None:
        rule = AlertRuleFactory(schedule=NIGHT)

        answer = operator.patch(f"/api/alert-rules/{rule.pk}", {"schedule": {"start": "20:00"}})

        assert answer.status_code == 400
        assert set(fields_of(answer)) == {"schedule.end", "schedule.timezone"}

    def test_put_needs_the_name(self, operator: APIClient) -> None:
        rule = AlertRuleFactory()

        assert operator.put(f"/api/alert-rules/{rule.pk}", {"severity": "low"}).status_code == 400
        assert operator.put(f"/api/alert-rules/{rule.pk}", {"name": "New", "severity": "low"}).status_code == 200
        rule.refresh_from_db()
        assert (rule.name, rule.severity) == ("New", "low")

    def test_a_taken_name_is_a_conflict(self, operator: APIClient) -> None:
        AlertRuleFactory(name="All")
        rule = AlertRuleFactory(name="Other")

        assert operator.patch(f"/api/alert-rules/{rule.pk}", {"name": "All"}).status_code == 409

    def test_a_zone_that_is_gone_may_stay_but_no_other_may_join(self, operator: APIClient) -> None:
        rule = AlertRuleFactory(zone_ids=[77])

        assert operator.patch(f"/api/alert-rules/{rule.pk}", {"zone_ids": [77]}).status_code == 200
        assert operator.patch(f"/api/alert-rules/{rule.pk}", {"zone_ids": [77, 78]}).status_code == 400

    def test_deleting_keeps_its_alerts_under_its_name(self, operator: APIClient) -> None:
        alert = AlertFactory(rule__name="All")

        assert operator.delete(f"/api/alert-rules/{alert.rule_id}").status_code == 204
        kept = Alert.objects.get()
        assert (kept.rule, kept.rule_name) == (None, "All")
        assert operator.delete(f"/api/alert-rules/{alert.rule_id}").status_code == 404


class TestRead:
    def test_it_says_when_a_rule_last_fired(self, operator: APIClient) -> None:
        alert = AlertFactory()
        AlertFactory(rule=alert.rule, status="suppressed")

        rule = operator.get(f"/api/alert-rules/{alert.rule_id}").json()

        assert rule["last_fired_at"] == alert.created_at.isoformat().replace("+00:00", "Z")

    def test_the_list_takes_filters(self, operator: APIClient) -> None:
        AlertRuleFactory(name="A", severity="low")
        AlertRuleFactory(name="B", enabled=False)

        assert [rule["name"] for rule in operator.get("/api/alert-rules?enabled=true").json()["results"]] == ["A"]
        assert [rule["name"] for rule in operator.get("/api/alert-rules?severity=medium").json()["results"]] == ["B"]

    def test_the_list_needs_as_many_statements_for_many_rules(self, operator: APIClient) -> None:
        AlertRuleFactory.create_batch(10, channels=[ChannelFactory(), ChannelFactory()])

        with assert_query_count("api alert rules list"):
            assert len(operator.get("/api/alert-rules").json()["results"]) == 10

    def test_an_unknown_one_is_a_problem_of_its_own(self, operator: APIClient) -> None:
        answer = operator.get("/api/alert-rules/12345")

        assert (answer.status_code, answer.json()["code"]) == (404, "ALERT_RULE_NOT_FOUND")


class TestWho:
    @pytest.mark.parametrize("role", ["viewer", "reviewer"])
    def test_below_operator_nothing_is_seen(self, client_as: Any, role: str) -> None:
        rule, client = AlertRuleFactory(), client_as(role)

        assert client.get("/api/alert-rules").status_code == 403
        assert client.get(f"/api/alert-rules/{rule.pk}").status_code == 403
        assert client.post("/api/alert-rules", {"name": "x"}).status_code == 403
        assert client.put(f"/api/alert-rules/{rule.pk}", {"name": "x"}).status_code == 403

    def test_nobody_is_asked_to_log_in(self, api: APIClient) -> None:
        assert api.get("/api/alert-rules").status_code == 401

    def test_a_key_limited_to_cameras_sees_no_rule(self) -> None:
        camera, rule = CameraFactory(), AlertRuleFactory()
        _, key = create_api_key(name="k", role=Role.OPERATOR, camera_ids=[camera.pk])
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")

        assert client.get("/api/alert-rules").json()["results"] == []
        assert client.get(f"/api/alert-rules/{rule.pk}").status_code == 404
        assert client.post("/api/alert-rules", {"name": "x"}).status_code == 403
