"""The admin pages of events and detections."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import format_html

from events.admin import EventAdmin
from events.choices import ScoredBy
from events.models import Event
from events.services.review import update_event
from siteadmin.core.groups import sync_groups
from tests.events.seen import seen_event
from tests.factories import CameraFactory, DetectionFactory, EventFactory, UserFactory, ZoneFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db
EVENTS = "/admin/events/event/"
DETECTIONS = "/admin/events/detection/"


@pytest.fixture
def admin_page() -> Callable[[str], Client]:
    """Give a function that logs a browser in as somebody with this role."""
    sync_groups()

    def make(role: str) -> Client:
        client = Client()
        client.force_login(UserFactory(is_superuser=role == "admin", role=None if role == "admin" else role))
        return client

    return make


def page_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def listed(client: Client, path: str) -> set[int]:
    return {int(pk) for pk in re.findall(r"/admin/events/event/(\d+)/change/", page_of(client, path))}


def form_of(event: Event, **changes: Any) -> dict[str, Any]:
    form = {"risk_score": event.risk_score, "notes": event.notes, "expected_version": event.version, **changes}
    return {name: value for name, value in form.items() if value not in (None, False)}


def test_the_list_shows_picture_level_and_camera(admin_page: Any) -> None:
    event = seen_event(summary="Two people at the door", risk_score=90)

    page = page_of(admin_page("viewer"), EVENTS)

    assert f"/api/events/{event.pk}/image?width=160" in page
    assert "Two people at the door" in page
    assert "90 Critical" in page
    assert event.camera.name in page


def test_the_list_filters_searches_and_hides_what_was_deleted(admin_page: Any) -> None:
    high = seen_event(risk_score=70, summary="A fox")
    reviewed = seen_event(risk_score=10, reviewed=True, summary="A person")
    deleted = seen_event(deleted_at=timezone.now())
    Event.objects.write_search([high.pk, reviewed.pk])
    seen_event(merged_into=high)
    seen_event(camera=CameraFactory(deleted_at=timezone.now()))
    viewer = admin_page("viewer")

    assert listed(viewer, EVENTS) == {high.pk, reviewed.pk}
    assert listed(viewer, f"{EVENTS}?risk_level__exact=high") == {high.pk}
    assert listed(viewer, f"{EVENTS}?reviewed__exact=1") == {reviewed.pk}
    assert listed(viewer, f"{EVENTS}?camera__id__exact={high.camera_id}") == {high.pk}
    assert listed(viewer, f"{EVENTS}?q=fox") == {high.pk}
    assert listed(viewer, f"{EVENTS}?deleted=yes") == {deleted.pk}


def test_the_page_shows_the_picture_the_reasoning_and_the_detections(admin_page: Any) -> None:
    zone = ZoneFactory(name="Front yard")
    event = seen_event(reasoning="40 for a person\n10 at night", zones=[zone.pk])
    known = {"weight": 1.2, "plate": {"plate": "AB 123", "confidence": 0.97}}
    other = DetectionFactory(camera=event.camera, event=event, object_type="bicycle", attributes=known)

    page = page_of(admin_page("viewer"), f"{EVENTS}{event.pk}/change/")

    assert f'src="/api/events/{event.pk}/image"' in page
    assert "40 for a person" in page
    assert "Front yard" in page
    assert f"/api/detections/{event.key_detection_id}/image" in page
    assert f"/api/detections/{other.pk}/image" not in page
    assert "bicycle 0.90" in page
    assert "<span>plate: plate AB 123, confidence 0.97</span>" in page
    assert f"{DETECTIONS}?event__id__exact={event.pk}" in page


def test_the_page_of_an_event_without_any_picture_works(admin_page: Any) -> None:
    page = page_of(admin_page("viewer"), f"{EVENTS}{EventFactory(risk_score=None).pk}/change/")

    assert "No picture belongs to this event" in page
    assert "no score" in page


def test_panels_of_other_apps_are_shown_below_the_event(admin_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = seen_event()
    panel: Any = lambda shown, request: format_html("<b>panel of {}</b>", shown.pk)  # noqa: E731
    monkeypatch.setattr(EventAdmin, "extra_panels", [panel])

    assert f"<b>panel of {event.pk}</b>" in page_of(admin_page("viewer"), f"{EVENTS}{event.pk}/change/")


def test_a_reviewer_reviews_on_the_page(admin_page: Any) -> None:
    event = seen_event(risk_score=20, notes="old")

    response = admin_page("reviewer").post(
        f"{EVENTS}{event.pk}/change/", form_of(event, reviewed="on", notes="The postman", risk_score=5)
    )

    assert response.status_code == 302
    event.refresh_from_db()
    assert (event.reviewed, event.notes, event.risk_score) == (True, "The postman", 5)
    assert (event.scored_by, event.version) == (ScoredBy.PERSON, 2)
    assert event.reviewed_by.startswith("person")


def test_saving_without_a_change_leaves_the_built_in_score(admin_page: Any) -> None:
    event = seen_event(risk_score=20)

    admin_page("reviewer").post(f"{EVENTS}{event.pk}/change/", form_of(event))

    event.refresh_from_db()
    assert (event.scored_by, event.version) == (ScoredBy.BUILTIN, 1)


def test_somebody_elses_change_is_not_overwritten(admin_page: Any) -> None:
    event = seen_event()
    update_event(event.pk, changes={"notes": "first"}, actor=UserFactory())

    response = admin_page("reviewer").post(f"{EVENTS}{event.pk}/change/", form_of(event, notes="second"), follow=True)

    assert "Nothing was saved: Somebody changed this in the meantime." in response.content.decode()
    event.refresh_from_db()
    assert event.notes == "first"


@pytest.mark.parametrize("score", ["101", "-1", "", "much"])
def test_a_score_out_of_range_is_refused(score: str, admin_page: Any) -> None:
    event = seen_event(risk_score=20)

    response = admin_page("reviewer").post(f"{EVENTS}{event.pk}/change/", {**form_of(event), "risk_score": score})

    assert response.status_code == 200
    event.refresh_from_db()
    assert event.risk_score == 20


def test_what_the_pipeline_owns_cannot_be_posted(admin_page: Any) -> None:
    event = seen_event(summary="A person")

    admin_page("reviewer").post(f"{EVENTS}{event.pk}/change/", form_of(event, summary="mine", state="closed"))

    event.refresh_from_db()
    assert (event.summary, event.state) == ("A person", "open")


def test_a_viewer_changes_nothing(admin_page: Any) -> None:
    event = seen_event()
    viewer = admin_page("viewer")

    assert viewer.post(f"{EVENTS}{event.pk}/change/", form_of(event, notes="x")).status_code == 403
    viewer.post(EVENTS, {"action": "mark_reviewed", "_selected_action": [event.pk]})
    event.refresh_from_db()
    assert (event.notes, event.reviewed) == ("", False)


def test_actions_review_keep_delete_and_restore(admin_page: Any) -> None:
    first, second = seen_event(), seen_event()
    reviewer, operator = admin_page("reviewer"), admin_page("operator")

    def act(client: Client, action: str, path: str = EVENTS) -> None:
        client.post(path, {"action": action, "_selected_action": [first.pk, second.pk]})

    act(reviewer, "mark_reviewed")
    act(reviewer, "keep")
    assert Event.objects.filter(reviewed=True, kept=True).count() == 2
    act(reviewer, "delete_events")
    assert Event.objects.visible().count() == 2
    act(operator, "delete_events")
    assert Event.objects.visible().count() == 0
    act(operator, "restore_events", f"{EVENTS}?deleted=yes")
    assert Event.objects.visible().count() == 2


def test_nobody_adds_or_purges_events_or_touches_detections(admin_page: Any) -> None:
    event = seen_event()
    admin = admin_page("admin")

    assert admin.get(f"{EVENTS}add/").status_code == 403
    assert admin.get(f"{EVENTS}{event.pk}/delete/").status_code == 403
    assert admin.get(f"{DETECTIONS}add/").status_code == 403
    assert admin.post(f"{DETECTIONS}{event.key_detection_id}/change/", {"object_type": "x"}).status_code == 403


def test_detections_are_listed_with_their_crops_and_by_event(admin_page: Any) -> None:
    event, other = seen_event(), seen_event(box={"object_type": "car"})
    viewer = admin_page("viewer")

    page = page_of(viewer, f"{DETECTIONS}?event__id__exact={event.pk}")

    assert f"/api/detections/{event.key_detection_id}/image" in page
    assert f"/api/detections/{other.key_detection_id}/image" not in page
    assert f"/api/detections/{other.key_detection_id}/image" in page_of(viewer, f"{DETECTIONS}?q=car")
    assert f"/api/detections/{event.key_detection_id}/image" in page_of(
        viewer, f"{DETECTIONS}{event.key_detection_id}/change/"
    )


def test_pages_cost_the_same_however_much_they_show(admin_page: Any) -> None:
    camera = CameraFactory()
    events = [seen_event(camera=camera, data=None if n == 0 else b"not opened %d" % n) for n in range(5)]
    for _ in range(4):
        DetectionFactory(camera=camera, event=events[0])
    viewer = admin_page("viewer")

    with assert_query_count("admin events list"):
        page_of(viewer, EVENTS)
    with assert_query_count("admin event page"):
        page_of(viewer, f"{EVENTS}{events[0].pk}/change/")
    with assert_query_count("admin detections list"):
        page_of(viewer, DETECTIONS)
