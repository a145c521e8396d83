"""A detector elsewhere dies under load and comes back: no picture is lost, and the breaker's states are to be seen.

The short form: times are scaled down, the socket, the breaker and the rows are real.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cameras.choices import DETECT_MAX_ATTEMPTS, SnapshotState
from cameras.models import Camera, Snapshot
from events.detectors import registry
from events.detectors.http import HttpDetector
from events.models import Detection
from events.services import detection
from events.services.detection import detect_snapshot
from siteadmin.core import breaker, http
from siteadmin.core.breaker import FAILURES_TO_OPEN, Position, state_of
from siteadmin.core.models import BreakerState, DeadLetter
from tests.events.conftest import MakeSnapshot
from tests.events.test_detectors_http import picture
from tests.factories import NOON, CameraFactory
from tests.fakes import detector_server as fake
from tests.fakes.detector_server import DetectorServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

NAME = "detector:http"
BRIEF = timedelta(milliseconds=200)


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[DetectorServer]:
    """Give the detector that the site is set to; every pause is a fraction of what it is."""
    with DetectorServer() as server:
        settings.DETECTOR, settings.DETECTOR_URL = "http", server.url
        settings.DETECTOR_TIMEOUT = timedelta(seconds=5)
        one = HttpDetector()
        monkeypatch.setattr(registry, "get_detector", lambda name="": one)
        guard = breaker.CircuitBreaker
        monkeypatch.setattr(
            detection, "CircuitBreaker", lambda name, counts: guard(name, counts=counts, cool_off=BRIEF)
        )
        monkeypatch.setattr(detection, "DETECT_RETRY_BASE", timedelta(milliseconds=5))
        monkeypatch.setattr(detection, "LONGEST_HOLD", timedelta(milliseconds=20))
        yield server
    http.close_connections()


@pytest.fixture
def arrive(waiting_snapshot: MakeSnapshot) -> Callable[..., Snapshot]:
    """Give a function that has a picture arrive."""
    camera: Camera = CameraFactory()

    def run(number: int, **fields: Any) -> Snapshot:
        return waiting_snapshot(camera=camera, data=picture(), captured_at=NOON + timedelta(seconds=number), **fields)

    return run


def work_off_what_is_due() -> None:
    """Do what sweeper and workers do."""
    for key in Snapshot.objects.filter(due_at__lte=timezone.now()).values_list("pk", flat=True):
        detect_snapshot(key)


def test_all_pictures_are_detected_after_an_outage_longer_than_their_tries(
    server: DetectorServer, arrive: Callable[..., Snapshot]
) -> None:
    seen = {state_of(NAME).position}
    server.default = fake.DOWN
    for number in range(40):
        arrive(number)
        work_off_what_is_due()
        seen.add(state_of(NAME).position)
    asked_while_down = len(server.requests)

    server.default = fake.ONE_PERSON
    for number in range(40, 60):
        arrive(number)

    def all_detected() -> bool:
        work_off_what_is_due()
        seen.add(state_of(NAME).position)
        return not Snapshot.objects.exclude(state=SnapshotState.DETECTED).exists()

    wait_until(all_detected, timeout=30)

    assert Detection.objects.count() == 60
    assert not DeadLetter.objects.dead().exists()
    assert asked_while_down < 40, "the breaker kept most away"
    assert seen >= {Position.CLOSED, Position.OPEN}
    assert state_of(NAME).position is Position.CLOSED


def test_the_breaker_says_why_it_is_open(server: DetectorServer, arrive: Callable[..., Snapshot]) -> None:
    server.default = fake.OVERLOADED

    for number in range(FAILURES_TO_OPEN):
        detect_snapshot(arrive(number).pk)

    assert state_of(NAME).position is Position.OPEN
    assert "503" in state_of(NAME).last_error


def test_what_ended_as_a_dead_letter_is_taken_up_when_the_detector_is_back(
    server: DetectorServer, arrive: Callable[..., Snapshot]
) -> None:
    server.default = fake.DOWN
    given_up = [arrive(number, attempts=DETECT_MAX_ATTEMPTS - 1) for number in range(FAILURES_TO_OPEN)]
    for snapshot in given_up:
        detect_snapshot(snapshot.pk)
    assert DeadLetter.objects.dead().count() == FAILURES_TO_OPEN
    assert state_of(NAME).position is Position.OPEN

    server.default = fake.ONE_PERSON
    BreakerState.objects.filter(pk=NAME).update(open_until=timezone.now() - timedelta(seconds=1))
    detect_snapshot(arrive(99).pk)
    work_off_what_is_due()

    assert not DeadLetter.objects.dead().exists()
    assert set(Snapshot.objects.values_list("state", flat=True)) == {SnapshotState.DETECTED}


def test_a_refused_picture_is_neither_retried_nor_taken_up_again(
    server: DetectorServer, arrive: Callable[..., Snapshot]
) -> None:
    server.script(fake.refused("too dark to look at"))
    snapshot = arrive(0)

    detect_snapshot(snapshot.pk)
    work_off_what_is_due()

    snapshot.refresh_from_db()
    assert (snapshot.state, len(server.requests)) == (SnapshotState.FAILED, 1)
    assert "too dark to look at" in snapshot.error
