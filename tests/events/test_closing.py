"""Events close when nothing more arrives, and only when no picture still waits."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from cameras.choices import SnapshotState
from events import choices
from events.choices import EventState
from events.models import Event
from events.services import closing
from events.services.closing import close_idle_events
from events.services.grouping import assign_to_events
from siteadmin.core.pipeline import Step
from tests.factories import DetectionFactory, EventFactory, SnapshotFactory

IDLE = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.BATCH_IDLE_TIMEOUT = IDLE


def arrived(seconds_ago: float, **fields: Any) -> Event:
    return EventFactory(last_arrival_at=timezone.now() - timedelta(seconds=seconds_ago), **fields)


@pytest.mark.django_db
class TestCloseIdleEvents:
    def test_an_idle_event_closes_and_waits_for_the_rules_once_more(
        self, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Any
    ) -> None:
        event = arrived(31)

        with django_capture_on_commit_callbacks(execute=True):
            assert close_idle_events().event_ids == (event.pk,)

        event.refresh_from_db()
        assert event.state == EventState.CLOSED
        assert event.due_at is not None
        assert asked == [(Step.EVALUATE, event.pk)]

    def test_a_second_run_closes_nothing(self) -> None:
        arrived(31)
        close_idle_events()

        assert close_idle_events().event_ids == ()

    def test_closing_counts_from_the_last_arrival_not_from_the_cameras_time(self) -> None:
        arrived(29, started_at=timezone.now() - timedelta(days=9))

        assert close_idle_events().event_ids == ()

    @pytest.mark.parametrize("state", [SnapshotState.RECEIVED, SnapshotState.DETECTING])
    def test_nothing_closes_on_a_camera_whose_pictures_still_wait(self, state: str) -> None:
        event, other = arrived(31), arrived(31)
        SnapshotFactory(camera=event.camera, state=state)

        assert close_idle_events().event_ids == (other.pk,)

    @pytest.mark.parametrize("state", [SnapshotState.DETECTED, SnapshotState.FAILED, SnapshotState.SKIPPED])
    def test_pictures_that_are_done_hold_nothing_open(self, state: str) -> None:
        event = arrived(31)
        SnapshotFactory(camera=event.camera, state=state)

        assert close_idle_events().event_ids == (event.pk,)

    def test_deleted_and_merged_events_stay_as_they_are(self) -> None:
        arrived(31, deleted_at=timezone.now())
        arrived(31, merged_into=arrived(0))

        assert close_idle_events().event_ids == ()

    def test_a_late_detection_opens_a_closed_event_which_closes_again(self) -> None:
        event = arrived(31)
        close_idle_events()
        late = DetectionFactory.build(camera=event.camera, detected_at=event.started_at)

        assign_to_events(event.camera_id, [late])
        assert close_idle_events().event_ids == ()

        Event.objects.filter(pk=event.pk).update(last_arrival_at=timezone.now() - IDLE)
        assert close_idle_events().event_ids == (event.pk,)

    def test_one_run_takes_no_more_than_its_limit_longest_idle_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(closing, "CLOSE_AT_ONCE", 2)
        newest, oldest, middle = arrived(40), arrived(90), arrived(60)

        assert set(close_idle_events().event_ids) == {oldest.pk, middle.pk}
        assert close_idle_events().event_ids == (newest.pk,)

    def test_the_limit_is_one_that_a_transaction_carries(self) -> None:
        assert 100 <= choices.CLOSE_AT_ONCE <= 1000


@pytest.mark.django_db(transaction=True)
def test_two_beats_close_each_event_once(in_threads: Any, asked: list[tuple[Step, int]]) -> None:
    events = [arrived(31) for _ in range(20)]

    results = in_threads(lambda _: close_idle_events().event_ids, range(4))

    assert sorted(event_id for closed in results for event_id in closed) == [event.pk for event in events]


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_growing_just_now_is_left_alone(in_threads: Any) -> None:
    event = arrived(31)

    with transaction.atomic():
        assign_to_events(event.camera_id, [DetectionFactory.build(camera=event.camera, detected_at=event.started_at)])
        assert in_threads(lambda _: close_idle_events().event_ids, [1]) == [()]

    assert close_idle_events().event_ids == ()
