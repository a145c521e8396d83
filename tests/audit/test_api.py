"""The audit trail over REST."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from cameras import services
from siteadmin.core import audit_api
from siteadmin.core.actors import ActorKind, acting_as
from siteadmin.core.models import AuditEntry
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


@pytest.fixture
def trail(db: None) -> None:
    """Two cameras made by a command, one changed by a link's holder."""
    with acting_as(ActorKind.COMMAND, "make by root"):
        services.create_camera(fields={"name": "Gate"})
        services.create_camera(fields={"name": "Yard"})
    with acting_as(ActorKind.LINK, "mail"):
        services.update_camera("gate", fields={"name": "=1+1", "timezone": "UTC"})


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [f"{row['action']} {row['resource_id']}" for row in answer.json()["results"] if row["camera"]]


def test_an_entry_says_who_did_what_to_what_and_how_it_was(admin: APIClient, trail: None) -> None:
    newest = admin.get("/api/audit?limit=1").json()["results"][0]

    assert list(newest) == list(audit_api.COLUMNS)
    assert (newest["actor_kind"], newest["actor"], newest["actor_id"]) == ("link", "mail", None)
    assert (newest["action"], newest["resource_type"], newest["resource"]) == ("update", "camera", "=1+1")
    assert newest["before"] == {"name": "Gate", "timezone": "", "version": 1}
    assert newest["after"] == {"name": "=1+1", "timezone": "UTC", "version": 2}
    assert admin.get(f"/api/audit/{newest['id']}").json() == newest


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["update gate", "create yard", "create gate"]),
        ("actor=mail", ["update gate"]),
        ("actor_kind=command", ["create yard", "create gate"]),
        ("action=update,delete", ["update gate"]),
        ("resource_type=camera", ["update gate", "create yard", "create gate"]),
        ("resource_type=zone", []),
        ("resource_id=yard", ["create yard"]),
        ("camera=gate&action=create", ["create gate"]),
        ("request_id=nothing", []),
        ("created_after=2999-01-01T00:00:00Z", []),
        ("created_before=2999-01-01T00:00:00Z", ["update gate", "create yard", "create gate"]),
    ],
)
def test_filters_narrow_the_trail(query: str, found: list[str], admin: APIClient, trail: None) -> None:
    assert ids(admin.get(f"/api/audit?{query}")) == found


@pytest.mark.parametrize(
    "query",
    ["who=x", "actor_kind=wizard", "created_after=yesterday",
     "created_after=2026-01-02T00:00:00Z&created_before=2026-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_filter_is_refused(query: str, admin: APIClient) -> None:
    assert admin.get(f"/api/audit?{query}").status_code == 400


def test_pages_go_on_where_the_last_one_ended(admin: APIClient, trail: None) -> None:
    first = admin.get("/api/audit?limit=2&resource_type=camera").json()
    second = admin.get(first["next"]).json()

    assert [row["resource_id"] for row in first["results"] + second["results"]] == ["gate", "yard", "gate"]
    assert second["next"] is None


def test_a_page_costs_the_same_however_many(admin: APIClient, trail: None) -> None:
    admin.get("/api/audit")
    with assert_query_count("api audit list"):
        admin.get("/api/audit")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_to_the_trail(method: str, admin: APIClient, trail: None) -> None:
    entry = AuditEntry.objects.latest("pk")

    for address in ("/api/audit", f"/api/audit/{entry.pk}"):
        assert getattr(admin, method)(address, {}).status_code == 405


def test_an_admin_of_one_camera_sees_what_belongs_to_it(key_client: Callable[..., APIClient], trail: None) -> None:
    client = key_client("admin", cameras=("yard",))
    hidden = AuditEntry.objects.get(action="update")

    assert ids(client.get("/api/audit")) == ["create yard"]
    assert client.get(f"/api/audit/{hidden.pk}").status_code == 404
    assert b"gate" not in client.get("/api/audit/export").getvalue()


def test_an_unknown_entry_is_not_there(admin: APIClient) -> None:
    assert admin.get("/api/audit/999999999").json()["code"] == "AUDIT_ENTRY_NOT_FOUND"


def test_the_trail_is_exported_as_csv_that_no_spreadsheet_runs(admin: APIClient, trail: None) -> None:
    answer = admin.get("/api/audit/export", {"resource_type": "camera"})

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["resource"] for row in rows] == ["'=1+1", "Yard", "Gate"]
    assert json.loads(rows[0]["after"]) == {"name": "=1+1", "timezone": "UTC", "version": 2}
    assert rows[1]["before"] == ""


def test_the_trail_is_exported_as_json_lines_batch_by_batch(
    admin: APIClient, trail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_api, "EXPORT_BATCH", 1)

    answer = admin.get("/api/audit/export", {"format": "jsonl", "camera": "gate"})

    rows = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert [(row["action"], row["camera"]) for row in rows] == [("update", "gate"), ("create", "gate")]
    assert list(rows[0]) == list(audit_api.COLUMNS)


def test_an_entry_outlives_what_it_is_about(admin: APIClient) -> None:
    limit = services.create_detection_limit(fields={"object_type": "cat", "ignored": True})
    services.delete_detection_limit(limit.pk)

    found = admin.get("/api/audit", {"resource_type": "detection_limit"}).json()["results"]

    assert [row["action"] for row in found] == ["delete", "create"]
    assert found[0]["before"]["object_type"] == "cat"


def test_times_of_entries_are_the_databases_own(admin: APIClient, trail: None) -> None:
    entry = AuditEntry.objects.latest("pk")

    assert abs(entry.created_at - timezone.now()) < timedelta(minutes=1)
