"""Finding events by words."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from cameras.models import Camera
from cameras.services.cameras import update_camera
from events import choices
from events.models import CameraSearch, Event
from events.services import search
from events.services.analysis import score_event
from events.services.grouping import assign_to_events
from events.services.review import update_event, update_events
from events.tasks import rewrite_search
from tests.events.seen import client_with_key
from tests.factories import CameraFactory, DetectionFactory, EventFactory, UserFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture
def viewer() -> APIClient:
    """Give a key of a viewer."""
    return client_with_key("viewer")


def found(client: APIClient, text: str, **parameters: Any) -> set[int]:
    response = client.get("/api/events", {"q": text, **parameters})
    assert response.status_code == 200, response.content
    return {event["id"] for event in response.json()["results"]}


def written(**fields: Any) -> Event:
    event: Event = EventFactory(**fields)
    Event.objects.write_search([event.pk])
    return event


@pytest.mark.parametrize("word", ["parcel", "slowly", "gardener", "umbrella", "driveway", "PARCELS"])
def test_an_event_is_found_by_words_of_each_of_its_texts(viewer: APIClient, word: str) -> None:
    event = written(
        camera=CameraFactory(name="Driveway North"),
        summary="A parcel was left",
        reasoning="They went slowly",
        notes="It was the gardener",
        object_types=["person", "umbrella"],
    )
    written(summary="A cat")

    assert found(viewer, word) == {event.pk}


def test_phrases_or_and_not_are_understood(viewer: APIClient) -> None:
    first = written(summary="A red car at the gate")
    second = written(summary="A car, red with rust")
    third = written(summary="A blue van")

    assert found(viewer, '"red car"') == {first.pk}
    assert found(viewer, "red car") == {first.pk, second.pk}
    assert found(viewer, "rust or van") == {second.pk, third.pk}
    assert found(viewer, "car -rust") == {first.pk}


def test_blanks_find_all_and_words_that_say_nothing_find_none(viewer: APIClient) -> None:
    event = written(summary="A red car")

    assert found(viewer, "  ") == {event.pk}
    assert found(viewer, "the") == set()


def test_search_and_filters_hold_together(viewer: APIClient) -> None:
    event = written(summary="A red car", reviewed=True)
    written(summary="A red car")

    assert found(viewer, "car", reviewed="true") == {event.pk}


def test_a_null_character_is_refused(viewer: APIClient) -> None:
    assert viewer.get("/api/events", {"q": "a\x00b"}).status_code == 400


@pytest.mark.parametrize("text", ["'", '"', "((", "& | !", "a:*", "-", "or", "\\", "x" * 500, "ß" * 500, "a " * 32])
def test_odd_texts_are_answered(viewer: APIClient, text: str) -> None:
    found(viewer, text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_search(text: str) -> None:
    list(Event.objects.get_queryset().matching(text))


def test_the_words_of_a_grown_event_are_written_with_its_score(viewer: APIClient) -> None:
    camera = CameraFactory(name="Orchard")
    event_ids = assign_to_events(
        camera.pk, [DetectionFactory.build(camera=camera, object_type="bicycle", detected_at=NOON)]
    )
    assert found(viewer, "bicycle") == set()

    score_event(event_ids[0])

    assert found(viewer, "bicycle orchard") == set(event_ids)


def test_scoring_writes_the_words_that_rewriting_would(viewer: APIClient) -> None:
    event = EventFactory(notes="a note", scored_by="person", reasoning="as they said")
    Event.objects.write_scores([(event.pk, 9, "New summary", "overwritten")], scored_by="llm")
    scored = words_of(event)
    Event.objects.write_search([event.pk])

    assert words_of(event) == scored
    assert "overwritten" not in scored


def words_of(event: Event) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT search FROM events_event WHERE id = %s", [event.pk])
        return str(cursor.fetchone()[0])


def test_new_notes_are_found_and_old_ones_no_more(viewer: APIClient) -> None:
    one, other = written(notes="postman"), written(notes="postman")

    update_event(one.pk, changes={"notes": "burglar"}, actor=UserFactory())
    update_events([other.pk], changes={"notes": "burglar"}, actor=UserFactory())

    assert found(viewer, "postman") == set()
    assert found(viewer, "burglar") == {one.pk, other.pk}


def test_notes_of_the_repository_are_found(viewer: APIClient) -> None:
    event = written()

    Event.objects.mark_reviewed(event.pk, notes="plumber")

    assert found(viewer, "plumber") == {event.pk}


def test_huge_texts_are_stored_and_found(viewer: APIClient) -> None:
    event = EventFactory(notes=" ".join(f"w{number}" for number in range(300_000)))

    Event.objects.write_search([event.pk])

    assert found(viewer, "w5") == {event.pk}


def rename(camera: Camera, name: str) -> None:
    update_camera(camera.pk, fields={"name": name})


def test_renaming_a_camera_makes_its_events_found_by_the_new_name(
    viewer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "REWRITE_BATCH", 2)
    camera, other = CameraFactory(name="Veranda"), CameraFactory(name="Cellar")
    events = [written(camera=camera).pk for _ in range(5)]
    elsewhere = written(camera=other).pk
    rewrite_search()

    rename(camera, "Balcony")
    result = rewrite_search()

    assert result.events == 5
    assert found(viewer, "balcony") == set(events)
    assert found(viewer, "veranda") == set()
    assert found(viewer, "cellar") == {elsewhere}


def test_a_second_run_rewrites_nothing() -> None:
    written()
    rewrite_search()

    assert rewrite_search().events == 0
    assert list(CameraSearch.objects.values_list("written_to", flat=True)) == [None]


def test_a_run_that_ended_early_is_continued_by_the_next(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "REWRITE_BATCH", 2)
    camera = CameraFactory(name="Veranda")
    events = [written(camera=camera).pk for _ in range(3)]
    rewrite_search()
    rename(camera, "Balcony")
    search._begin(camera.pk)
    search._rewrite_batch()
    assert found(viewer, "balcony") == set(events[:2])

    rewrite_search()

    assert found(viewer, "balcony") == set(events)


def test_a_second_renaming_starts_over(viewer: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "REWRITE_BATCH", 2)
    camera = CameraFactory(name="Veranda")
    events = [written(camera=camera).pk for _ in range(3)]
    rename(camera, "Balcony")
    search._begin(camera.pk)
    search._rewrite_batch()

    rename(camera, "Terrace")
    rewrite_search()

    assert found(viewer, "terrace") == set(events)


def test_rare_words_are_known_to_the_planner() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'events_event'::regclass AND attname = 'search'"
        )
        target = cursor.fetchone()[0]
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'event_search'")
        options = cursor.fetchone()[0]

    assert target == 1000
    assert options == ["fastupdate=off"]


def test_the_words_are_not_fetched() -> None:
    EventFactory()

    assert Event.objects.get_all()[0].get_deferred_fields() == {"search"}
    assert choices.LONGEST_QUERY * 4 < 2047  # a longer word is an error to PostgreSQL


def test_the_admin_searches_as_the_api_does(admin_client: Any) -> None:
    written(summary="A red car at the gate")
    written(summary="A blue van")

    page = admin_client.get("/admin/events/event/", {"q": '"red car"'}).content.decode()

    assert "A red car at the gate" in page
    assert "A blue van" not in page
