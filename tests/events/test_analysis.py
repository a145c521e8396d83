"""Scores in the database: written at once, again with growth, never over a person's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cameras.models import Camera
from events.models import Event
from events.services.analysis import score_event, score_events
from events.services.grouping import assign_to_events
from tests.factories import NOON, CameraFactory, DetectionFactory, EventFactory, ZoneFactory

pytestmark = pytest.mark.django_db


def make_event(camera: Camera, *, at: datetime = NOON, people: int = 1, **fields: Any) -> Event:
    detections = [DetectionFactory.build(camera=camera, detected_at=at, **fields) for _ in range(people)]
    (event_id,) = assign_to_events(camera.pk, detections)
    return Event.objects.get(pk=event_id)


def scored(event: Event) -> Event:
    score_event(event.pk)
    event.refresh_from_db()
    return event


def test_an_event_gets_score_level_summary_and_reasoning() -> None:
    event = scored(make_event(CameraFactory(name="Front Door"), confidence=0.93))

    assert (event.risk_score, event.risk_level, event.scored_by) == (49, "medium", "builtin")
    assert event.summary == "1 person at Front Door"
    assert event.reasoning == "person +40, confidence 0.93 +9 = 49"


def test_scoring_twice_gives_the_same() -> None:
    event = scored(make_event(CameraFactory()))

    assert scored(event).reasoning == event.reasoning


def test_people_are_counted_on_one_picture_not_over_all() -> None:
    camera = CameraFactory(name="Yard")
    make_event(camera, people=2)
    event = make_event(camera, at=NOON + timedelta(seconds=3), people=2)

    assert scored(event).summary == "2 people at Yard"


def test_growth_scores_anew() -> None:
    camera = CameraFactory()
    first = scored(make_event(camera)).risk_score
    event = scored(make_event(camera, at=NOON + timedelta(seconds=3), people=3))

    assert first is not None
    assert event.risk_score == first + 10


def test_a_persons_score_is_never_overwritten() -> None:
    event = make_event(CameraFactory(name="Yard"))
    Event.objects.filter(pk=event.pk).update(risk_score=3, scored_by="person", reasoning="my cousin")

    event = scored(event)

    assert (event.risk_score, event.scored_by, event.reasoning) == (3, "person", "my cousin")
    assert event.summary == "1 person at Yard"


def test_night_is_that_of_the_camera(settings: Any) -> None:
    at_22_utc = datetime(2026, 3, 14, 22, 30, tzinfo=UTC)
    settings.TIME_ZONE = "UTC"
    here = scored(make_event(CameraFactory(), at=at_22_utc))
    tokyo = scored(make_event(CameraFactory(timezone="Asia/Tokyo"), at=at_22_utc))

    assert "night (22:30)" in here.reasoning
    assert "night" not in tokyo.reasoning, "it is 07:30 there"


def test_zones_count_by_their_type() -> None:
    camera = CameraFactory(name="Front Door")
    porch = ZoneFactory(camera=camera, name="porch", zone_type="entry_point")

    event = scored(make_event(camera, zones=[porch.pk]))

    assert "zone porch (entry point) +20" in event.reasoning
    assert event.summary == "1 person at Front Door, porch"


def test_a_zone_that_is_gone_counts_nothing() -> None:
    assert "zone" not in scored(make_event(CameraFactory(), zones=[4711])).reasoning


def test_earlier_events_of_the_camera_count() -> None:
    camera = CameraFactory()
    for minutes in (30, 60, 180):
        EventFactory(camera=camera, started_at=NOON - timedelta(minutes=minutes))
    EventFactory(camera=camera, started_at=NOON - timedelta(minutes=40), deleted_at=NOON)
    EventFactory(started_at=NOON - timedelta(minutes=40))

    assert "seen 2 times in the 2 hours before +4" in scored(make_event(camera)).reasoning


def test_many_events_cost_as_many_statements_as_one(django_assert_num_queries: Any) -> None:
    camera = CameraFactory()
    zone = ZoneFactory(camera=camera)
    ids = [make_event(camera, at=NOON + timedelta(hours=n), zones=[zone.pk]).pk for n in range(5)]

    with django_assert_num_queries(3):
        score_events(ids)


def test_no_events_cost_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        score_events([])
