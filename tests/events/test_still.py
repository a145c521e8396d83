"""A parked car tells of itself once, in whatever order its pictures come."""

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.choices import SnapshotState
from cameras.models import Camera
from events.choices import STILL_LOOKS, STILL_WITHIN
from events.detectors.base import FoundObject, Picture
from events.models import Detection, Event
from events.services.detection import detect_snapshot
from events.services.retention import remove_old
from events.services.still import is_same_place
from tests.events.conftest import MakeSnapshot
from tests.factories import NOON, CameraFactory, DetectionFactory
from tests.fakes.detectors import ScriptedDetector, found_person

pytestmark = pytest.mark.django_db

PARKED = (100, 200, 120, 80)


def car(box: tuple[int, int, int, int] = PARKED, *, object_type: str = "car") -> FoundObject:
    x, y, width, height = box
    return FoundObject(
        object_type=object_type,
        confidence=0.9,
        x=x,
        y=y,
        width=width,
        height=height,
        frame_width=640,
        frame_height=480,
    )


@pytest.fixture
def camera() -> Camera:
    return CameraFactory()


@pytest.fixture
def look(camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot) -> Any:
    """Give a function that has a picture of the camera, some minutes after noon, looked at; these things are on it."""

    def run(minutes: float, *things: FoundObject, at: Camera = camera) -> None:
        detector.answer = list(things)
        detect_snapshot(waiting_snapshot(camera=at, captured_at=NOON + timedelta(minutes=minutes)).pk)

    return run


def test_a_parked_car_opens_one_event_and_is_kept_as_seen(look: Any) -> None:
    for hour in range(5):
        look(60 * hour, car((100 + hour % 2, 200, 120, 81)))

    event = Event.objects.get()
    assert (event.started_at, event.detection_count) == (NOON, 1)
    still = Detection.objects.filter(event=None)
    assert [one.attributes["still"] for one in still] == [True] * 4


def test_it_opens_one_again_when_it_moves(look: Any) -> None:
    look(0, car())
    look(60, car((300, 200, 120, 80)))
    look(120, car((300, 200, 120, 80)))

    assert Event.objects.count() == 2


def test_it_opens_one_again_when_it_was_away(look: Any) -> None:
    look(0, car())
    for minute in range(1, STILL_LOOKS + 1):
        look(10 * minute)
    look(60, car())

    assert Event.objects.count() == 2


def test_a_picture_on_which_the_detector_missed_it_changes_nothing(look: Any) -> None:
    look(0, car())
    for minute in range(1, STILL_LOOKS):
        look(10 * minute)
    look(60, car())

    assert Event.objects.count() == 1


def test_a_day_later_it_is_news(look: Any) -> None:
    look(0, car())
    look(STILL_WITHIN.total_seconds() / 60 + 1, car())

    assert Event.objects.count() == 2


def test_somebody_beside_it_opens_an_event_without_it(look: Any) -> None:
    look(0, car())
    look(60, car(), found_person())

    event = Event.objects.order_by("-started_at")[0]
    assert (event.object_types, event.detection_count) == (["person"], 1)


def test_somebody_who_stands_still_is_never_taken_for_a_thing(look: Any) -> None:
    look(0, found_person())
    look(60, found_person())

    assert Event.objects.count() == 2


def test_another_type_another_place_and_another_camera_are_others(look: Any) -> None:
    look(0, car())
    look(60, car(object_type="truck"))
    look(120, car((160, 200, 120, 80)))
    look(120, car(), at=CameraFactory())

    assert Event.objects.count() == 4


def test_which_types_stand_still_is_a_setting(look: Any, settings: Any) -> None:
    settings.STILL_OBJECT_TYPES = ["boat"]
    look(0, car())
    look(60, car())

    assert Event.objects.count() == 2


@pytest.mark.parametrize("seed", range(4))
def test_pictures_in_any_order_tell_of_it_once(look: Any, seed: int) -> None:
    minutes = [60 * hour for hour in range(8)]
    random.Random(seed).shuffle(minutes)  # noqa: S311 - an order to test with

    for minute in minutes:
        look(minute, car())

    assert Event.objects.count() == 1
    assert Detection.objects.count() == 8


def test_retention_removes_pictures_on_which_things_only_stood(look: Any, camera: Camera, settings: Any) -> None:
    look(0, car())
    look(60, car())
    camera.snapshots.update(received_at=NOON - timedelta(days=400), state=SnapshotState.DETECTED)
    settings.RETENTION_DAYS = 30

    remove_old()

    assert list(camera.snapshots.values_list("captured_at", flat=True)) == [NOON], "its event is not old yet"


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_tell_of_it_once(
    detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, in_threads: Any
) -> None:
    def see(picture: Picture) -> list[FoundObject]:
        return [car()]

    detector.answer = see
    camera = CameraFactory()
    snapshots = [waiting_snapshot(camera=camera, captured_at=NOON + timedelta(minutes=9 * n)) for n in range(4)]

    in_threads(detect_snapshot, [snapshot.pk for snapshot in snapshots])

    assert (Event.objects.count(), Detection.objects.count()) == (1, 4)


BOXES = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(1, 300), st.integers(1, 200))


@given(one=BOXES, other=BOXES, factor=st.integers(1, 4))
def test_same_place_is_mutual_true_of_itself_and_blind_to_the_frames_size(one: Any, other: Any, factor: int) -> None:
    def box(given: Any, *, times: int = 1) -> Detection:
        x, y, width, height = (value * times for value in given)
        return DetectionFactory.build(
            camera=None, x=x, y=y, width=width, height=height, frame_width=640 * times, frame_height=480 * times
        )

    assert is_same_place(box(one), box(one, times=factor))
    assert is_same_place(box(one), box(other)) == is_same_place(box(other), box(one))
