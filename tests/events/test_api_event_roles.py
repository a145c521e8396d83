"""Who may do what with events and detections, and bulk changes."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from events.models import Event
from tests.events.seen import client_with_key, seen_event
from tests.factories import EventFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

EVENT_REQUESTS = [
    ("get", "/api/events/{event}", {}),
    ("patch", "/api/events/{event}", {"notes": "x"}),
    ("delete", "/api/events/{event}", None),
    ("post", "/api/events/{event}/restore", None),
    ("get", "/api/events/{event}/detections", {}),
    ("get", "/api/events/{event}/image", {}),
    ("get", "/api/detections/{detection}", {}),
    ("get", "/api/detections/{detection}/image", {}),
]


def status_of(client: APIClient, method: str, path: str, body: Any, event: Event) -> int:
    address = path.format(event=event.pk, detection=event.key_detection_id)
    response = getattr(client, method)(address, body)
    assert isinstance(response.status_code, int)
    return response.status_code


@pytest.mark.parametrize(("method", "path", "body"), EVENT_REQUESTS)
def test_whoever_may_not_see_the_camera_finds_nothing(method: str, path: str, body: Any) -> None:
    hidden, own = seen_event(), seen_event()
    limited = client_with_key("admin", cameras=(own.camera_id,))

    assert status_of(limited, method, path, body, hidden) == 404
    assert status_of(limited, method, path, body, own) < 300


@pytest.mark.parametrize(("method", "path", "body"), EVENT_REQUESTS)
def test_nobody_is_asked_who_they_are(method: str, path: str, body: Any) -> None:
    assert status_of(APIClient(), method, path, body, seen_event()) == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "least"),
    [
        ("get", "/api/events", {}, "viewer"),
        ("get", "/api/detections", {}, "viewer"),
        ("get", "/api/events/{event}/image", {}, "viewer"),
        ("get", "/api/detections/{detection}/image", {}, "viewer"),
        ("patch", "/api/events/{event}", {"notes": "x"}, "reviewer"),
        ("patch", "/api/events/bulk", {"ids": [1], "reviewed": True}, "reviewer"),
        ("delete", "/api/events/bulk", {"ids": [1]}, "operator"),
        ("delete", "/api/events/{event}", None, "operator"),
        ("post", "/api/events/{event}/restore", None, "operator"),
        ("post", "/api/detect", {"image_path": "../x"}, "operator"),
    ],
)
def test_each_action_takes_its_role(method: str, path: str, body: Any, least: str) -> None:
    roles = ["uploader", "viewer", "reviewer", "operator", "admin"]
    event = seen_event()

    refused = [role for role in roles if status_of(client_with_key(role), method, path, body, seen_event()) == 403]

    assert refused == roles[: roles.index(least)]
    assert Event.objects.filter(pk=event.pk).exists()


def test_lists_show_the_cameras_of_the_key_alone() -> None:
    hidden, own = seen_event(), seen_event()
    limited = client_with_key("viewer", cameras=(own.camera_id,))

    assert [event["id"] for event in limited.get("/api/events").json()["results"]] == [own.pk]
    detections = limited.get("/api/detections").json()["results"]
    assert [detection["id"] for detection in detections] == [own.key_detection_id]
    assert limited.get("/api/events", {"camera": hidden.camera_id}).json()["results"] == []


def test_a_bulk_review_answers_for_every_id() -> None:
    one, two = EventFactory(), EventFactory()
    reviewer = client_with_key("reviewer")

    response = reviewer.patch("/api/events/bulk", {"ids": [two.pk, 987654, one.pk, -1, 2**70], "reviewed": True})

    results = response.json()["results"]
    assert response.status_code == 207
    assert [(result["id"], result["status"]) for result in results] == [
        (two.pk, 200),
        (987654, 404),
        (one.pk, 200),
        (-1, 404),
        (2**70, 404),
    ]
    assert results[1]["code"] == "EVENT_NOT_FOUND"
    assert Event.objects.filter(reviewed=True, version=2).count() == 2


def test_the_same_bulk_review_again_changes_nothing() -> None:
    event = EventFactory()
    reviewer = client_with_key("reviewer")
    body = {"ids": [event.pk], "reviewed": True, "kept": True}
    reviewer.patch("/api/events/bulk", body)
    first = reviewer.get(f"/api/events/{event.pk}").json()

    again = reviewer.patch("/api/events/bulk", body)

    assert again.json() == {"results": [{"id": event.pk, "status": 200}]}
    assert reviewer.get(f"/api/events/{event.pk}").json() == first


def test_a_bulk_delete_hides_and_finds_nothing_the_second_time() -> None:
    events = [EventFactory(), EventFactory()]
    operator = client_with_key("operator")
    body = {"ids": [event.pk for event in events]}

    first = operator.delete("/api/events/bulk", body)
    again = operator.delete("/api/events/bulk/", body)

    assert (first.status_code, [result["status"] for result in first.json()["results"]]) == (207, [204, 204])
    assert (again.status_code, [result["status"] for result in again.json()["results"]]) == (207, [404, 404])
    assert set(Event.objects.values_list("version", flat=True)) == {2}


def test_a_bulk_leaves_cameras_beyond_the_key_alone() -> None:
    hidden, own = EventFactory(), EventFactory()
    limited = client_with_key("admin", cameras=(own.camera_id,))
    body = {"ids": [hidden.pk, own.pk]}

    review = limited.patch("/api/events/bulk", {**body, "reviewed": True})
    delete = limited.delete("/api/events/bulk", body)

    assert [result["status"] for result in review.json()["results"]] == [404, 200]
    assert [result["status"] for result in delete.json()["results"]] == [404, 204]
    hidden.refresh_from_db()
    assert (hidden.reviewed, hidden.deleted_at) == (False, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": [], "reviewed": True}, "ids"),
        ({"reviewed": True}, "ids"),
        ({"ids": ["one"], "reviewed": True}, "ids.0"),
        ({"ids": list(range(1, 1002)), "reviewed": True}, "ids"),
        ({"ids": [1]}, ""),
        ({"ids": [1], "reviewed": True, "risk_score": 5}, "risk_score"),
    ],
)
def test_a_bulk_that_makes_no_sense_is_refused(body: dict[str, Any], field: str) -> None:
    response = client_with_key("reviewer").patch("/api/events/bulk", body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_a_bulk_costs_the_same_however_many() -> None:
    ids = [EventFactory().pk for _ in range(6)]
    operator = client_with_key("operator")
    operator.get("/api/events")

    with assert_query_count("api events bulk review"):
        operator.patch("/api/events/bulk", {"ids": ids, "reviewed": True})
    with assert_query_count("api events bulk delete"):
        operator.delete("/api/events/bulk", {"ids": ids})
