"""A worker's turn at the waiting snapshots: the most urgent first, as it is at each look, and none for ever last."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from structlog.contextvars import bound_contextvars

from cameras.choices import DETECT_SOFT_TIME_LIMIT, DETECT_TURN, SnapshotState, Urgency
from cameras.models import Camera, Snapshot
from events.detectors.base import FoundObject, Picture
from events.models import Detection
from events.results import DetectionTurnResult
from events.services import detection
from events.services.detection import detect_waiting
from siteadmin.core.correlation import current_request_id
from siteadmin.core.exceptions import DetectorUnavailableError
from siteadmin.core.pipeline import Step
from tests.events.conftest import MakeSnapshot
from tests.factories import NOON, CameraFactory
from tests.fakes.detectors import ScriptedDetector, found_person

pytestmark = pytest.mark.django_db

Asked = list[tuple[Step, int]]


@pytest.fixture
def camera() -> Camera:
    return CameraFactory()


@pytest.fixture(autouse=True)
def first_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no look of a short test go by lot."""
    monkeypatch.setattr(detection, "_looks", itertools.repeat(1))


@pytest.fixture
def arrive(camera: Camera, waiting_snapshot: MakeSnapshot) -> Any:
    """Give a function that has a picture wait that was taken so many seconds ago, its content saying which."""

    def make(name: str, *, age: int, urgency: Urgency = Urgency.LIVE) -> Snapshot:
        moment = NOON - timedelta(seconds=age)
        return waiting_snapshot(camera=camera, data=name.encode(), captured_at=moment, urgency=urgency)

    return make


def looked_at(detector: ScriptedDetector) -> list[str]:
    return [picture.data.decode() for picture in detector.seen]


def test_all_that_waits_is_looked_at_in_one_turn_newest_alarm_first(
    detector: ScriptedDetector, arrive: Any, asked: Asked
) -> None:
    arrive("late", age=5000, urgency=Urgency.LATE)
    arrive("timer", age=1, urgency=Urgency.TIMER)
    hint = arrive("alarm", age=20)
    arrive("newer alarm", age=10)

    result = detect_waiting(hint.pk)

    assert result == DetectionTurnResult({"detected": 4})
    assert looked_at(detector) == ["newer alarm", "alarm", "timer", "late"]
    assert asked == []


def test_a_picture_that_arrives_meanwhile_is_next(detector: ScriptedDetector, arrive: Any) -> None:
    for number in range(5):
        arrive(f"old {number}", age=5000 + number, urgency=Urgency.LATE)

    def answer(picture: Picture) -> list[FoundObject]:
        if picture.data == b"old 1":
            arrive("now", age=0)
        return []

    detector.answer = answer
    detect_waiting(0)

    assert looked_at(detector) == ["old 0", "old 1", "now", "old 2", "old 3", "old 4"]


def test_one_look_in_four_goes_to_what_has_waited_longest(
    detector: ScriptedDetector, arrive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "_looks", itertools.count(1))
    oldest = arrive("oldest", age=9000, urgency=Urgency.LATE)
    Snapshot.objects.filter(pk=oldest.pk).update(due_at=Now() - timedelta(hours=1))
    for number in range(5):
        arrive(f"alarm {number}", age=number)

    detect_waiting(0)

    assert looked_at(detector) == ["alarm 0", "alarm 1", "alarm 2", "oldest", "alarm 3", "alarm 4"]


def test_each_picture_is_looked_at_in_the_name_of_the_request_that_brought_it(
    detector: ScriptedDetector, arrive: Any
) -> None:
    names = {"b": "request-b", "a": ""}
    for age, (name, request_id) in enumerate(names.items()):
        Snapshot.objects.filter(pk=arrive(name, age=age).pk).update(request_id=request_id)
    seen = {}

    def answer(picture: Picture) -> list[FoundObject]:
        seen[picture.data.decode()] = current_request_id()
        return []

    detector.answer = answer
    with bound_contextvars(request_id="of the message"):
        detect_waiting(0)

    assert seen == names


def test_a_turn_that_is_over_leaves_the_rest_to_another_message(
    detector: ScriptedDetector,
    arrive: Any,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setattr(detection, "DETECT_TURN", timedelta(0))
    rest = arrive("rest", age=2)
    arrive("first", age=1)

    with django_capture_on_commit_callbacks(execute=True):
        result = detect_waiting(rest.pk)

    assert result == DetectionTurnResult({"detected": 1})
    assert asked == [(Step.DETECT, rest.pk)]
    rest.refresh_from_db()
    assert rest.state == SnapshotState.RECEIVED


def test_a_second_message_finds_nothing_left(detector: ScriptedDetector, arrive: Any) -> None:
    hint = arrive("a", age=1)
    detector.answer = [found_person()]
    detect_waiting(hint.pk)

    assert detect_waiting(hint.pk) == DetectionTurnResult()
    assert (len(detector.seen), Detection.objects.count()) == (1, 1)


def test_a_detector_that_is_down_ends_the_turn_so_that_not_all_that_waits_knocks(
    detector: ScriptedDetector, arrive: Any, asked: Asked
) -> None:
    detector.answer = DetectorUnavailableError("down")
    for age in range(3):
        arrive(f"{age}", age=age)

    result = detect_waiting(0)

    assert result == DetectionTurnResult({"postponed": 1})
    assert (len(detector.seen), asked) == (1, [])


def test_the_last_look_of_a_turn_ends_before_the_steps_time_limit(settings: Any) -> None:
    slowest = timedelta(seconds=18)  # what DETECTOR_TIMEOUT_SECONDS takes at most

    assert DETECT_TURN + slowest < timedelta(seconds=DETECT_SOFT_TIME_LIMIT)
