"""The API of events."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from events.models import Event
from events.services.review import update_event
from siteadmin.core import media
from tests.events.seen import SIZE, client_with_key, seen_event
from tests.factories import CameraFactory, DetectionFactory, EventFactory, UserFactory, ZoneFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
FIELDS = [
    "id",
    "camera",
    "started_at",
    "ended_at",
    "state",
    "risk_score",
    "risk_level",
    "scored_by",
    "summary",
    "reasoning",
    "object_types",
    "zones",
    "detection_count",
    "reviewed",
    "reviewed_by",
    "reviewed_at",
    "notes",
    "kept",
    "version",
    "analysis",
]


@pytest.fixture
def viewer() -> APIClient:
    """Give a key of a viewer."""
    return client_with_key("viewer")


@pytest.fixture
def reviewer() -> APIClient:
    """Give a key of a reviewer."""
    return client_with_key("reviewer")


@pytest.fixture
def operator() -> APIClient:
    """Give a key of an operator."""
    return client_with_key("operator")


def ids_of(client: APIClient, **parameters: Any) -> list[int]:
    response = client.get("/api/events", parameters)
    assert response.status_code == 200, response.content
    return [event["id"] for event in response.json()["results"]]


def at(minutes: int, **fields: Any) -> Event:
    event: Event = EventFactory(started_at=NOON + timedelta(minutes=minutes), **fields)
    return event


def test_an_event_has_the_fields_of_the_contract(viewer: APIClient) -> None:
    event = seen_event(started_at=NOON, summary="A person", zones=[7], risk_score=85)

    body = viewer.get(f"/api/events/{event.pk}").json()

    assert list(body) == FIELDS
    assert body["camera"] == event.camera_id
    assert body["started_at"] == "2026-03-14T12:00:00Z"
    assert (body["risk_score"], body["risk_level"], body["scored_by"]) == (85, "critical", "builtin")
    assert (body["object_types"], body["zones"], body["state"]) == (["person"], [7], "open")
    assert (body["reviewed"], body["reviewed_by"], body["notes"], body["version"]) == (False, None, "", 1)


def test_events_come_newest_first(viewer: APIClient) -> None:
    older, newest, oldest = at(1), at(2), at(0)

    assert ids_of(viewer) == [newest.pk, older.pk, oldest.pk]
    assert ids_of(viewer, ordering="started_at") == [oldest.pk, older.pk, newest.pk]


def test_deleted_and_merged_events_and_those_of_deleted_cameras_are_not_listed(viewer: APIClient) -> None:
    shown = at(0)
    at(1, deleted_at=timezone.now())
    at(2, merged_into=shown)
    hidden = at(3, camera=CameraFactory(deleted_at=timezone.now()))

    assert ids_of(viewer) == [shown.pk]
    assert viewer.get(f"/api/events/{hidden.pk}").status_code == 404


def test_each_filter_keeps_what_it_says(viewer: APIClient) -> None:
    zone = ZoneFactory()
    plain = at(0, risk_score=10)
    fox = at(1, risk_score=60, object_types=["fox", "person"], kept=True)
    car = at(2, risk_score=90, object_types=["car"], zones=[zone.pk], reviewed=True)
    none = at(3, risk_score=None, object_types=["foxglove"])

    assert ids_of(viewer, camera=fox.camera_id) == [fox.pk]
    assert ids_of(viewer, camera=f"{fox.camera_id},{car.camera_id}") == [car.pk, fox.pk]
    assert ids_of(viewer, camera=[fox.camera_id, plain.camera_id]) == [fox.pk, plain.pk]
    assert ids_of(viewer, camera=fox.camera_id[:-1]) == []
    assert ids_of(viewer, risk_level="high,critical") == [car.pk, fox.pk]
    assert ids_of(viewer, min_risk=60) == [car.pk, fox.pk]
    assert ids_of(viewer, max_risk=60) == [fox.pk, plain.pk]
    assert ids_of(viewer, min_risk=60, max_risk=60) == [fox.pk]
    assert ids_of(viewer, object_type="fox") == [fox.pk]
    assert ids_of(viewer, object_type="fox,car") == [car.pk, fox.pk]
    assert ids_of(viewer, zone=zone.pk) == [car.pk]
    assert ids_of(viewer, reviewed="true") == [car.pk]
    assert ids_of(viewer, reviewed="false") == [none.pk, fox.pk, plain.pk]
    assert ids_of(viewer, kept=1) == [fox.pk]
    assert ids_of(viewer, object_type="person", kept=0) == [plain.pk]


def test_a_range_of_starts_is_half_open_and_overlaps_takes_what_was_still_going_on(viewer: APIClient) -> None:
    running = at(0, ended_at=NOON + timedelta(minutes=2))
    over = at(0, ended_at=NOON + timedelta(seconds=50))
    first, last = at(1), at(5)
    span = {"started_after": "2026-03-14T12:01:00Z", "started_before": "2026-03-14T13:05:00+01:00"}

    assert ids_of(viewer, **span) == [first.pk]
    assert ids_of(viewer, **span, overlaps=1) == [first.pk, running.pk]
    assert ids_of(viewer, **span, overlaps=0) == [first.pk]
    assert ids_of(viewer, overlaps=1) == [last.pk, first.pk, over.pk, running.pk]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"min_risk": "101"}, "min_risk"),
        ({"min_risk": "80", "max_risk": "20"}, "min_risk"),
        ({"risk_level": "huge"}, "risk_level"),
        ({"zone": "front"}, "zone"),
        ({"reviewed": "maybe"}, "reviewed"),
        ({"started_after": "yesterday"}, "started_after"),
        ({"colour": "red"}, "colour"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_bad_parameters_are_named(viewer: APIClient, parameters: dict[str, str], field: str) -> None:
    response = viewer.get("/api/events", parameters)

    assert response.status_code == 400
    assert field in [error["field"] for error in response.json()["errors"]]


def test_pages_by_cursor_give_every_event_once(viewer: APIClient) -> None:
    events = [at(0) for _ in range(5)]
    found: list[int] = []
    address: str | None = "/api/events?limit=2"
    while address:
        page = viewer.get(address).json()
        found += [event["id"] for event in page["results"]]
        address = page["next"]

    assert found == [event.pk for event in reversed(events)]


def test_a_known_event_is_not_sent_again_until_it_changes(viewer: APIClient) -> None:
    event = seen_event()
    etag = viewer.get(f"/api/events/{event.pk}")["ETag"]

    again = viewer.get(f"/api/events/{event.pk}", HTTP_IF_NONE_MATCH=etag)
    Event.objects.filter(pk=event.pk).update(detection_count=2)
    grown = viewer.get(f"/api/events/{event.pk}", HTTP_IF_NONE_MATCH=etag)

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert grown.status_code == 200
    assert grown["ETag"] != etag


def test_a_reviewer_changes_what_is_a_persons(reviewer: APIClient) -> None:
    event = seen_event(risk_score=20)
    changes = {"reviewed": True, "notes": "The postman", "kept": True, "risk_score": 5}

    response = reviewer.patch(f"/api/events/{event.pk}", changes)

    body = response.json()
    assert response.status_code == 200
    assert {name: body[name] for name in changes} == changes
    assert (body["risk_level"], body["scored_by"], body["version"]) == ("low", "person", 2)
    assert body == reviewer.get(f"/api/events/{event.pk}").json()
    assert response["ETag"] == reviewer.get(f"/api/events/{event.pk}")["ETag"]


def test_a_review_by_session_names_the_person(client_as: Any) -> None:
    event = seen_event()
    client = client_as("reviewer")

    body = client.patch(f"/api/events/{event.pk}", {"reviewed": True}).json()

    assert body["reviewed_by"].startswith("person")
    assert body["reviewed_at"] is not None


def test_a_review_by_key_names_the_key(key_client: Any) -> None:
    event = seen_event()
    client = key_client("reviewer")

    body = client.patch(f"/api/events/{event.pk}", {"reviewed": True}).json()

    assert body["reviewed_by"] == "key:reviewer of ()"
    [line] = client.get("/api/events/export", {"format": "jsonl"}).getvalue().splitlines()
    assert json.loads(line)["reviewed_by"] == body["reviewed_by"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"risk_score": 101}, "risk_score"),
        ({"risk_score": None}, "risk_score"),
        ({"reviewed": "perhaps"}, "reviewed"),
        ({"notes": None}, "notes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_change_is_refused_and_named(reviewer: APIClient, body: dict[str, Any], field: str) -> None:
    event = seen_event()

    response = reviewer.patch(f"/api/events/{event.pk}", body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
    assert Event.objects.get(pk=event.pk).version == 1


def test_what_the_pipeline_owns_is_ignored_in_a_change(reviewer: APIClient) -> None:
    event = seen_event(summary="A person")

    body = reviewer.patch(f"/api/events/{event.pk}", {"summary": "mine", "state": "closed"}).json()

    assert (body["summary"], body["state"], body["version"]) == ("A person", "open", 1)


def test_a_stale_version_in_the_body_is_a_409(reviewer: APIClient) -> None:
    event = seen_event()
    update_event(event.pk, changes={"notes": "first"}, actor=UserFactory())

    stale = reviewer.patch(f"/api/events/{event.pk}", {"notes": "second", "version": 1})
    fresh = reviewer.patch(f"/api/events/{event.pk}", {"notes": "third", "version": 2})

    assert (stale.status_code, stale.json()["code"], stale.json()["details"]["version"]) == (409, "VERSION_CONFLICT", 2)
    assert (fresh.status_code, fresh.json()["notes"]) == (200, "third")


def test_a_stale_if_match_is_a_412_and_growth_is_no_change_of_a_person(reviewer: APIClient) -> None:
    event = seen_event()
    address = f"/api/events/{event.pk}"
    etag = reviewer.get(address)["ETag"]
    Event.objects.filter(pk=event.pk).update(detection_count=2)

    fresh = reviewer.patch(address, {"notes": "one"}, HTTP_IF_MATCH=etag)
    stale = reviewer.patch(address, {"notes": "two"}, HTTP_IF_MATCH=etag)
    weak = reviewer.patch(address, {"notes": "two"}, HTTP_IF_MATCH=f"W/{fresh['ETag']}")
    foreign = reviewer.patch(address, {"notes": "two"}, HTTP_IF_MATCH='"something"')
    anything = reviewer.patch(address, {"notes": "three"}, HTTP_IF_MATCH="*")

    assert [fresh.status_code, stale.status_code, weak.status_code] == [200, 412, 412]
    assert [foreign.status_code, anything.status_code] == [412, 200]
    assert stale.json()["code"] == "PRECONDITION_FAILED"


def test_a_deleted_event_comes_back_when_it_is_restored(operator: APIClient) -> None:
    event = seen_event()
    address = f"/api/events/{event.pk}"

    assert operator.delete(address).status_code == 204
    assert [operator.get(address).status_code, operator.delete(address).status_code] == [404, 404]
    restored = operator.post(f"{address}/restore")
    assert (restored.status_code, restored.json()["version"]) == (200, 3)
    assert operator.get(address).status_code == 200
    assert operator.post(f"{address}/restore").json()["version"] == 3


def test_deleting_what_somebody_changed_is_a_412(operator: APIClient) -> None:
    event = seen_event()
    etag = operator.get(f"/api/events/{event.pk}")["ETag"]
    update_event(event.pk, changes={"notes": "mine"}, actor=UserFactory())

    assert operator.delete(f"/api/events/{event.pk}", HTTP_IF_MATCH=etag).status_code == 412
    assert operator.get(f"/api/events/{event.pk}").status_code == 200


def test_detections_of_an_event_come_first_come_first(viewer: APIClient) -> None:
    event = seen_event(started_at=NOON)
    later, between = (
        DetectionFactory(camera=event.camera, event=event, detected_at=NOON + timedelta(seconds=second))
        for second in (9, 5)
    )

    page = viewer.get(f"/api/events/{event.pk}/detections", {"limit": 2}).json()
    rest = viewer.get(page["next"]).json()

    assert [one["id"] for one in page["results"]] == [event.key_detection_id, between.pk]
    assert [one["id"] for one in rest["results"]] == [later.pk]
    picked = viewer.get(f"/api/events/{event.pk}/detections", {"limit": 1, "fields": "id,bbox"}).json()
    assert [list(one) for one in picked["results"]] == [["id", "bbox"]]
    assert viewer.get("/api/events/999/detections").json()["code"] == "EVENT_NOT_FOUND"


def test_the_picture_is_a_jpeg_of_the_right_size_with_boxes_unless_told(viewer: APIClient) -> None:
    event = seen_event()

    boxed = viewer.get(f"/api/events/{event.pk}/image", HTTP_ACCEPT="image/png")
    plain = viewer.get(f"/api/events/{event.pk}/image", {"annotated": 0})
    small = viewer.get(f"/api/events/{event.pk}/image", {"width": 320})

    assert [answer["Content-Type"] for answer in (boxed, plain, small)] == ["image/jpeg"] * 3
    assert [Image.open(io.BytesIO(answer.content)).size for answer in (boxed, plain, small)] == [SIZE, SIZE, (320, 240)]
    assert Image.open(io.BytesIO(plain.content)).getextrema() == ((90, 90), (90, 90), (90, 90))
    assert boxed.content != plain.content
    assert "private" in boxed["Cache-Control"]


def test_a_known_picture_is_not_made_again(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/api/events/{seen_event().pk}/image"
    etag = viewer.get(address)["ETag"]

    def fail(name: str) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr(media, "open_file", fail)
    again = viewer.get(address, HTTP_IF_NONE_MATCH=f'"other", {etag}')

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)


def test_an_event_without_a_picture_says_so(viewer: APIClient) -> None:
    bare, gone = EventFactory(), seen_event()
    assert gone.key_detection is not None
    assert gone.key_detection.snapshot is not None
    media.delete(gone.key_detection.snapshot.file)

    for event in (bare, gone):
        response = viewer.get(f"/api/events/{event.pk}/image")
        assert (response.status_code, response.json()["code"]) == (404, "MEDIA_NOT_FOUND")


@pytest.mark.parametrize("parameters", [{"annotated": "perhaps"}, {"width": "0"}, {"width": "99999"}, {"height": "5"}])
def test_bad_parameters_of_a_picture_are_named(viewer: APIClient, parameters: dict[str, str]) -> None:
    response = viewer.get(f"/api/events/{seen_event().pk}/image", parameters)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == next(iter(parameters))


def test_lists_cost_the_same_however_long(viewer: APIClient) -> None:
    reviewed = update_event(seen_event().pk, changes={"reviewed": True}, actor=UserFactory())
    for _ in range(4):
        DetectionFactory(camera=reviewed.camera, event=reviewed)
        update_event(seen_event().pk, changes={"reviewed": True}, actor=UserFactory())
    viewer.get("/api/events")

    with assert_query_count("api events list"):
        assert len(ids_of(viewer)) == 5
    with assert_query_count("api events get"):
        viewer.get(f"/api/events/{reviewed.pk}")
    with assert_query_count("api events detections"):
        assert len(viewer.get(f"/api/events/{reviewed.pk}/detections").json()["results"]) == 5
    with assert_query_count("api events image"):
        viewer.get(f"/api/events/{reviewed.pk}/image")
