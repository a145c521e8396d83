"""Exports in the background: asked for over the API, written slice by slice, fetched by whoever asked."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from events.models import Event, Export
from events.results import ExportOutcome
from events.services import export_jobs
from events.services.export_jobs import remove_expired_exports, revive_export, write_export
from siteadmin.core import media
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step, queued
from tests.events.seen import client_with_key
from tests.factories import CameraFactory, EventFactory

pytestmark = pytest.mark.django_db
URL = "/api/events/export"
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture
def viewer() -> APIClient:
    return client_with_key("viewer")


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_jobs, "EXPORT_BATCH", 2)
    monkeypatch.setattr(export_jobs, "EXPORT_SLICE", 4)


def ask(client: APIClient, query: str = "") -> dict[str, Any]:
    response = client.post(f"{URL}{query}")
    assert response.status_code == 202, response.content
    body: dict[str, Any] = response.json()
    assert response["Location"] == f"/api/exports/{body['id']}"
    return body


def run(export_id: int) -> list[str]:
    """Write all slices; gives what became of each."""
    outcomes = []
    while not outcomes or outcomes[-1] == ExportOutcome.GOES_ON:
        outcomes.append(write_export(export_id).outcome)
    return outcomes


def test_it_is_written_in_slices_and_holds_what_the_direct_export_holds(viewer: APIClient, small_slices: None) -> None:
    camera = CameraFactory(name="Door, front")
    for minute in range(9):
        EventFactory(camera=camera, started_at=NOON + timedelta(minutes=minute), risk_score=minute * 10)
    EventFactory(started_at=NOON)
    query = f"?format=csv&camera={camera.pk}&min_risk=10"
    asked = ask(viewer, query)
    assert (asked["state"], asked["progress"], asked["file"]) == ("waiting", 0, None)

    assert run(asked["id"]) == [ExportOutcome.GOES_ON, ExportOutcome.GOES_ON, ExportOutcome.DONE]

    done = viewer.get(f"/api/exports/{asked['id']}").json()
    assert (done["state"], done["progress"], done["rows_written"]) == ("done", 1, 8)
    response = viewer.get(done["file"])
    content = response.getvalue()
    assert content == viewer.get(f"{URL}{query}").getvalue()
    assert len(content) == int(response["Content-Length"]) == done["size"]
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert len(list(csv.DictReader(io.StringIO(content.decode())))) == 8


def test_json_lines_are_written_too(viewer: APIClient, small_slices: None) -> None:
    events = [EventFactory(started_at=NOON + timedelta(minutes=minute)).pk for minute in range(5)]
    asked = ask(viewer, "?format=jsonl")
    run(asked["id"])

    lines = viewer.get(f"/api/exports/{asked['id']}/file").getvalue().splitlines()

    assert [json.loads(line)["id"] for line in lines] == events[::-1]


def test_nothing_found_is_a_file_with_its_head_alone(viewer: APIClient) -> None:
    asked = ask(viewer)
    run(asked["id"])

    assert viewer.get(f"/api/exports/{asked['id']}/file").getvalue().startswith(b"id,camera,")


def test_it_is_asked_for_as_a_step_once_it_is_committed(
    viewer: APIClient, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        ask(viewer)
        assert queued(Step.EXPORT) == 0

    assert queued(Step.EXPORT) == 1
    assert Export.objects.waiting_count() == 1


def test_a_run_more_writes_nothing(viewer: APIClient) -> None:
    EventFactory()
    asked = ask(viewer)
    run(asked["id"])

    assert write_export(asked["id"]).outcome == ExportOutcome.NOT_DUE


def test_a_worker_that_lost_its_claim_leaves_the_file_as_it_is(
    viewer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    EventFactory.create_batch(2)
    asked = ask(viewer)
    put = media.put

    def lose_the_claim(name: str, content: bytes) -> None:
        monkeypatch.setattr(media, "put", put)
        Export.objects.filter(pk=asked["id"]).update(due_at=timezone.now() - timedelta(seconds=1))
        assert write_export(asked["id"]).outcome == ExportOutcome.DONE
        put(name, content + b"late")

    monkeypatch.setattr(media, "put", lose_the_claim)

    assert write_export(asked["id"]).outcome == ExportOutcome.LEASE_LOST
    response = viewer.get(f"/api/exports/{asked['id']}/file")
    assert b"late" not in response.getvalue()


def test_a_full_disk_is_tried_again_and_ends_as_a_dead_letter_that_can_be_requeued(
    viewer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    EventFactory()
    asked = ask(viewer)

    def full(name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(media, "put", full)
        outcomes = []
        for _ in range(export_jobs.EXPORT_MAX_ATTEMPTS):
            Export.objects.filter(pk=asked["id"]).update(due_at=timezone.now() - timedelta(seconds=1))
            outcomes.append(write_export(asked["id"]).outcome)

    assert outcomes == [ExportOutcome.POSTPONED] * 4 + [ExportOutcome.FAILED]
    assert "No space left" in viewer.get(f"/api/exports/{asked['id']}").json()["error"]
    assert viewer.get(f"/api/exports/{asked['id']}/file").status_code == 404
    assert DeadLetter.objects.get(task="events.export").subject == str(asked["id"])
    assert revive_export(asked["id"])
    assert run(asked["id"]) == [ExportOutcome.DONE]


def test_an_export_is_its_owners_alone(viewer: APIClient) -> None:
    asked = ask(viewer)
    run(asked["id"])
    other = client_with_key("admin")

    assert other.get(f"/api/exports/{asked['id']}").json()["code"] == "EXPORT_NOT_FOUND"
    assert other.get(f"/api/exports/{asked['id']}/file").status_code == 404
    assert other.get("/api/exports").json()["results"] == []
    assert [one["id"] for one in viewer.get("/api/exports").json()["results"]] == [asked["id"]]


def test_whoever_is_limited_to_cameras_gets_these_alone() -> None:
    own, other = CameraFactory(), CameraFactory()
    event = EventFactory(camera=own)
    EventFactory(camera=other)
    client = client_with_key("viewer", cameras=(own.pk,))
    asked = ask(client, "?format=jsonl")
    run(asked["id"])

    lines = client.get(f"/api/exports/{asked['id']}/file").getvalue().splitlines()

    assert [json.loads(line)["id"] for line in lines] == [event.pk]


def test_bad_filters_are_refused_when_they_are_asked_for(viewer: APIClient) -> None:
    for query in ("?format=xls", "?risk_level=huge", "?colour=red"):
        assert viewer.post(f"{URL}{query}").status_code == 400
    assert Export.objects.count() == 0


def test_after_a_day_row_and_files_go(viewer: APIClient) -> None:
    EventFactory()
    asked = ask(viewer)
    run(asked["id"])
    (name,) = Export.objects.get(pk=asked["id"]).parts
    assert remove_expired_exports() == 0
    Export.objects.all().update(expires_at=timezone.now())

    assert viewer.get(f"/api/exports/{asked['id']}").status_code == 404
    assert remove_expired_exports() == 1
    assert not media.exists(name)
    assert remove_expired_exports() == 0
    assert Event.objects.count() == 1
