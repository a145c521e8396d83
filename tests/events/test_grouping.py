"""Detections become events in the database, the same ones however many workers there are."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cameras.models import Camera
from events.choices import EventState
from events.models import Detection, Event
from events.services.grouping import assign_to_events
from tests.factories import NOON, CameraFactory, DetectionFactory, EventFactory, SnapshotFactory

WINDOW, IDLE = timedelta(seconds=90), timedelta(seconds=30)


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.BATCH_WINDOW, settings.BATCH_IDLE_TIMEOUT = WINDOW, IDLE


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def seen(camera: Camera, second: float, **fields: Any) -> Detection:
    return DetectionFactory.build(camera=camera, detected_at=at(second), **fields)


def add(camera: Camera, *detections: Detection) -> list[int]:
    with transaction.atomic():
        return assign_to_events(camera.pk, detections)


def visible() -> list[Event]:
    return sorted(Event.objects.visible(), key=lambda event: event.started_at)


def spans() -> list[tuple[float, float, int]]:
    """Give start and end in seconds, and the number of detections, of every visible event."""
    return [
        ((event.started_at - NOON).total_seconds(), (event.ended_at - NOON).total_seconds(), event.detection_count)
        for event in visible()
    ]


def add_each(camera: Camera, arrivals: Iterable[float]) -> None:
    for second in arrivals:
        add(camera, seen(camera, second))


@pytest.mark.django_db
class TestGrowth:
    def test_a_first_detection_opens_an_event_that_waits_for_the_rules(self) -> None:
        camera = CameraFactory()

        (event_id,) = add(camera, seen(camera, 0))

        event = Event.objects.get(pk=event_id)
        assert (event.state, event.attempts, event.claim_token) == (EventState.OPEN, 0, None)
        assert event.due_at is not None
        assert event.last_arrival_at > NOON + timedelta(days=1), "arrival counts by the database's clock"

    def test_no_detections_open_nothing(self) -> None:
        assert add(CameraFactory()) == []
        assert not Event.objects.exists()

    def test_detections_of_one_time_stay_together(self) -> None:
        camera = CameraFactory()

        add(camera, seen(camera, 0), seen(camera, 0), seen(camera, 0))

        assert spans() == [(0, 0, 3)]

    def test_an_event_tells_what_its_detections_do(self) -> None:
        camera = CameraFactory()
        snapshot = SnapshotFactory(camera=camera)
        add(camera, seen(camera, 0, object_type="car", zones=[9], confidence=0.99))

        add(
            camera,
            seen(camera, 5, zones=[7, 9], confidence=0.8, snapshot=snapshot),
            seen(camera, 5, confidence=0.95, snapshot=snapshot),
        )

        event = Event.objects.get()
        assert (event.object_types, event.zones, event.detection_count) == (["person", "car"], [7, 9], 3)
        assert event.key_detection is not None
        assert event.key_detection.confidence == 0.95, "the surest of those with a picture"

    def test_growth_takes_the_claim_from_an_evaluation_under_way(self) -> None:
        camera = CameraFactory()
        (event_id,) = add(camera, seen(camera, 0))
        token = Event.objects.claim(event_id, lease=timedelta(seconds=60))
        assert token is not None

        add(camera, seen(camera, 1))

        assert not Event.objects.finish(event_id, token=token)
        assert Event.objects.claim(event_id, lease=timedelta(seconds=60)) is not None

    def test_a_detection_within_the_limits_of_a_closed_event_opens_it_again(self) -> None:
        camera = CameraFactory()
        (event_id,) = add(camera, seen(camera, 0))
        Event.objects.filter(pk=event_id).update(state=EventState.CLOSED)

        assert add(camera, seen(camera, 20)) == [event_id]
        assert Event.objects.get().state == EventState.OPEN

    def test_a_deleted_event_is_not_joined(self) -> None:
        camera = CameraFactory()
        (event_id,) = add(camera, seen(camera, 0))
        Event.objects.filter(pk=event_id).update(deleted_at=NOON)

        assert add(camera, seen(camera, 1)) != [event_id]

    def test_another_cameras_event_is_not_joined(self) -> None:
        one, other = CameraFactory(), CameraFactory()

        add(one, seen(one, 0))
        add(other, seen(other, 0))

        assert spans() == [(0, 0, 1), (0, 0, 1)]

    def test_growth_costs_the_same_number_of_statements_for_one_detection_and_for_many(
        self, django_assert_max_num_queries: Any
    ) -> None:
        camera = CameraFactory()

        with django_assert_max_num_queries(7):
            assign_to_events(camera.pk, [seen(camera, second) for second in range(0, 6000, 20)])


@pytest.mark.django_db
class TestMerge:
    def test_a_bridge_merges_the_later_event_into_the_earlier(self) -> None:
        camera = CameraFactory()
        (first,) = add(camera, seen(camera, 0))
        (second,) = add(camera, seen(camera, 50))

        assert add(camera, seen(camera, 25)) == [first]

        gone = Event.objects.get(pk=second)
        assert spans() == [(0, 50, 3)]
        assert (gone.merged_into_id, gone.due_at, gone.state) == (first, None, EventState.CLOSED)
        assert set(Detection.objects.values_list("event", flat=True)) == {first}

    def test_what_people_did_to_either_stays(self) -> None:
        camera = CameraFactory()
        (first,) = add(camera, seen(camera, 0))
        (second,) = add(camera, seen(camera, 50))
        Event.objects.filter(pk=first).update(notes="seen before")
        Event.objects.filter(pk=second).update(
            notes="the postman", reviewed=True, reviewed_by="key:phone", kept=True, risk_score=7, scored_by="person",
            reasoning="harmless", version=4,
        )  # fmt: skip

        add(camera, seen(camera, 25))

        event = Event.objects.get(pk=first)
        assert event.notes == "seen before\n\nthe postman"
        assert (event.reviewed, event.reviewed_by, event.kept) == (True, "key:phone", True)
        assert (event.risk_score, event.scored_by, event.reasoning) == (7, "person", "harmless")
        assert event.version == 4, "one's changes count on the other"

    def test_the_kept_events_own_score_by_a_person_wins(self) -> None:
        camera = CameraFactory()
        (first,) = add(camera, seen(camera, 0))
        (second,) = add(camera, seen(camera, 50))
        Event.objects.filter(pk=first).update(risk_score=90, scored_by="person")
        Event.objects.filter(pk=second).update(risk_score=7, scored_by="person")

        add(camera, seen(camera, 25))

        assert Event.objects.get(pk=first).risk_score == 90

    def test_what_was_merged_before_follows(self) -> None:
        camera = CameraFactory()
        (first,) = add(camera, seen(camera, 0))
        (second,) = add(camera, seen(camera, 40))
        oldest = EventFactory(camera=camera, merged_into_id=second)

        add(camera, seen(camera, 20))

        oldest.refresh_from_db()
        assert oldest.merged_into_id == first

    def test_a_bridge_over_more_than_the_window_merges_nothing(self) -> None:
        camera = CameraFactory()
        add_each(camera, [0, 20, 40, 60, 80, 100, 120])

        assert spans() == [(0, 80, 5), (100, 120, 2)]


@pytest.mark.django_db
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=0, max_value=300), min_size=1, max_size=20))
def test_events_hold_their_limits_for_any_order_of_arrival(arrivals: list[int]) -> None:
    camera = CameraFactory()

    add_each(camera, arrivals)

    events = Event.objects.visible().filter(camera=camera)
    assert sum(event.detection_count for event in events) == len(arrivals)
    for event in events:
        times = list(event.detections.order_by("detected_at").values_list("detected_at", flat=True))
        assert (event.started_at, event.ended_at, event.detection_count) == (times[0], times[-1], len(times))
        assert times[-1] - times[0] <= WINDOW
        assert all(after - before <= IDLE for before, after in zip(times, times[1:], strict=False))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_four_workers_make_the_one_event_that_one_worker_makes(
    seed: int | None, settings: Any, in_threads: Any
) -> None:
    settings.BATCH_WINDOW = timedelta(seconds=300)
    camera = CameraFactory()
    arrivals = list(range(0, 120, 3))
    if seed is not None:
        random.Random(seed).shuffle(arrivals)

    in_threads(lambda second: add(camera, seen(camera, second)), arrivals)

    assert spans() == [(0, 117, 40)]
