"""The tasks of this app, and their results' way through the broker's JSON."""

from typing import Any

import pytest
from kombu.utils.json import dumps, loads

from events import tasks
from events.results import CloseResult, DetectionRunResult, RetentionResult
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import REVIVERS
from siteadmin.core.sweeper import WAITING
from tests.events.conftest import MakeSnapshot
from tests.factories import CameraFactory
from tests.fakes.detectors import ScriptedDetector


@pytest.mark.parametrize(
    "result",
    [
        DetectionRunResult(7, "detected", detections=2, event_ids=(3, 4)),
        CloseResult(event_ids=(1,)),
        RetentionResult(snapshots=1, events=2, files=3),
    ],
)
def test_a_result_comes_back_as_the_same_class(result: Any) -> None:
    assert loads(dumps(result)) == result


@pytest.mark.django_db
def test_the_task_looks_at_the_snapshot(detector: ScriptedDetector, waiting_snapshot: MakeSnapshot) -> None:
    snapshot = waiting_snapshot(camera=CameraFactory())

    assert tasks.detect(snapshot.pk) == DetectionRunResult(snapshot.pk, "detected")


@pytest.mark.django_db
def test_closing_runs_with_nothing_to_do() -> None:
    assert tasks.close_idle() == CloseResult()


def test_lost_messages_and_dead_letters_of_detection_are_seen_to() -> None:
    assert Step.DETECT in WAITING
    assert Step.DETECT in REVIVERS
