"""What people say of events."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from events.models import Event, EventFeedback
from events.services.feedback import give_feedback
from tests.events.seen import client_with_key
from tests.factories import CameraFactory, EventFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer() -> APIClient:
    """Give a key of a reviewer."""
    return client_with_key("reviewer")


def address(event: Event) -> str:
    return f"/api/events/{event.pk}/feedback"


def test_feedback_is_given_and_read(reviewer: APIClient) -> None:
    event, viewer = EventFactory(), client_with_key("viewer")

    given = reviewer.post(address(event), {"verdict": "severity_wrong", "expected_level": "low"}, format="json")
    with assert_query_count("api events feedback"):
        read = viewer.get(address(event))

    assert given.status_code == 201, given.content
    assert list(given.json()) == [
        "event",
        "verdict",
        "expected_level",
        "given_by",
        "created_at",
        "updated_at",
        "version",
    ]
    assert read.json() == given.json()
    assert (read.json()["event"], read.json()["expected_level"]) == (event.pk, "low")
    assert "reviewer" in read.json()["given_by"]


def test_a_second_one_is_refused_and_changes_nothing(reviewer: APIClient) -> None:
    event = EventFactory()
    reviewer.post(address(event), {"verdict": "accurate"}, format="json")

    second = reviewer.post(address(event), {"verdict": "false_positive"}, format="json")

    assert (second.status_code, second.json()["code"]) == (409, "DUPLICATE_RESOURCE")
    assert EventFeedback.objects.get_all()[0].verdict == "accurate"


@pytest.mark.parametrize("body", [{}, {"verdict": "good"}, {"verdict": "accurate", "mood": "fine"}, []])
def test_what_is_no_verdict_is_refused(reviewer: APIClient, body: Any) -> None:
    assert reviewer.post(address(EventFactory()), body, format="json").status_code == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [({"verdict": "severity_wrong"}, "required"), ({"verdict": "accurate", "expected_level": "low"}, "invalid")],
)
def test_a_level_goes_with_a_wrong_severity_alone(reviewer: APIClient, body: dict[str, str], code: str) -> None:
    answer = reviewer.post(address(EventFactory()), body, format="json")

    assert answer.status_code == 400
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("expected_level", code)]


def test_the_database_holds_the_same_rule() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        EventFeedback.objects.create(event=EventFactory(), verdict="severity_wrong")


def test_a_change_keeps_what_it_does_not_name(reviewer: APIClient) -> None:
    event = EventFactory()
    give_feedback(event.pk, verdict="severity_wrong", expected_level="low")

    changed = reviewer.patch(address(event), {"expected_level": "high"}, format="json")

    assert (changed.status_code, changed.json()["verdict"]) == (200, "severity_wrong")
    assert changed.json()["expected_level"] == "high"
    assert changed.json()["updated_at"] > changed.json()["created_at"]


def test_a_level_goes_with_the_verdict_that_had_it(reviewer: APIClient) -> None:
    event = EventFactory()
    give_feedback(event.pk, verdict="severity_wrong", expected_level="low")

    changed = reviewer.patch(address(event), {"verdict": "accurate"}, format="json")

    assert (changed.status_code, changed.json()["expected_level"]) == (200, None)


def test_a_change_to_a_wrong_severity_needs_the_level(reviewer: APIClient) -> None:
    event = EventFactory()
    give_feedback(event.pk, verdict="accurate")

    assert reviewer.patch(address(event), {"verdict": "severity_wrong"}, format="json").status_code == 400


def test_feedback_is_taken_back_once(reviewer: APIClient) -> None:
    event = EventFactory()
    give_feedback(event.pk, verdict="accurate")

    assert reviewer.delete(address(event)).status_code == 204
    for method in ("get", "delete", "patch"):
        answer = getattr(reviewer, method)(address(event), {}, format="json" if method != "get" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "FEEDBACK_NOT_FOUND")


def test_viewers_read_alone() -> None:
    event, viewer = EventFactory(), client_with_key("viewer")

    assert viewer.post(address(event), {"verdict": "accurate"}, format="json").status_code == 403
    assert viewer.patch(address(event), {"verdict": "accurate"}, format="json").status_code == 403
    assert viewer.delete(address(event)).status_code == 403


def test_events_of_other_cameras_are_not_found() -> None:
    event, own = EventFactory(), CameraFactory()
    limited = client_with_key("reviewer", cameras=(own.pk,))

    answer = limited.post(address(event), {"verdict": "accurate"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND")
    assert not EventFeedback.objects.exists()


def test_feedback_follows_a_merged_event() -> None:
    camera = CameraFactory()
    kept, first, second = (EventFactory(camera=camera) for _ in range(3))
    for gone, verdict in ((first, "false_positive"), (second, "accurate")):
        give_feedback(gone.pk, verdict=verdict)

    Event.objects.merge_into({first.pk: kept.pk, second.pk: kept.pk})

    found = EventFeedback.objects.of_event(kept.pk)
    assert found is not None
    assert found.verdict == "false_positive"


def test_feedback_on_the_kept_event_stays() -> None:
    camera = CameraFactory()
    kept, gone = EventFactory(camera=camera), EventFactory(camera=camera)
    give_feedback(kept.pk, verdict="accurate")
    give_feedback(gone.pk, verdict="false_positive")

    Event.objects.merge_into({gone.pk: kept.pk})

    found = EventFeedback.objects.of_event(kept.pk)
    assert found is not None
    assert found.verdict == "accurate"


def test_the_admin_shows_it_on_the_events_page_and_in_a_list(admin_client: Any) -> None:
    event = EventFactory()
    give_feedback(event.pk, verdict="severity_wrong", expected_level="low", given_by="Ada")

    page = admin_client.get(f"/admin/events/event/{event.pk}/change/").content.decode()
    assert "Severity Wrong, should be Low" in page
    assert "Ada" in page
    rows = admin_client.get("/admin/events/eventfeedback/")
    assert rows.status_code == 200
    assert "Severity Wrong" in rows.content.decode()
    one = EventFeedback.objects.get_all()[0]
    assert admin_client.get(f"/admin/events/eventfeedback/{one.pk}/change/").status_code == 200
