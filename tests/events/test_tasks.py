"""The tasks of this app, and their results' way through the broker's JSON."""

from typing import Any

import pytest
from kombu.utils.json import dumps, loads

from events import tasks
from events.choices import LEASE_MARGIN
from events.results import (
    AnalysisResult,
    CloseResult,
    DetectionRunResult,
    DetectionTurnResult,
    EnrichmentResult,
    RetentionResult,
)
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import REVIVERS
from siteadmin.core.sweeper import WAITING
from tests.events.conftest import MakeSnapshot
from tests.factories import CameraFactory
from tests.fakes.detectors import ScriptedDetector


@pytest.mark.parametrize(
    "result",
    [
        DetectionTurnResult({"detected": 3}),
        DetectionRunResult(7, "detected", detections=2, event_ids=(3, 4)),
        CloseResult(event_ids=(1,)),
        AnalysisResult(3, "done", score=91),
        EnrichmentResult(3, "done", attributes=("plate",)),
        RetentionResult(snapshots=1, events=2, files=3),
    ],
)
def test_a_result_comes_back_as_the_same_class(result: Any) -> None:
    assert loads(dumps(result)) == result


@pytest.mark.django_db
def test_the_task_looks_at_the_snapshot(detector: ScriptedDetector, waiting_snapshot: MakeSnapshot) -> None:
    snapshot = waiting_snapshot(camera=CameraFactory())

    assert tasks.detect(snapshot.pk) == DetectionTurnResult({"detected": 1})


@pytest.mark.django_db
def test_closing_runs_with_nothing_to_do() -> None:
    assert tasks.close_idle() == CloseResult()


@pytest.mark.django_db
def test_asking_about_what_is_gone_does_nothing() -> None:
    assert tasks.analyze(4711) == AnalysisResult(4711, "not_due")
    assert tasks.enrich(4711) == EnrichmentResult(4711, "not_due")


@pytest.mark.parametrize("step", [Step.DETECT, Step.ANALYZE, Step.ENRICH])
def test_lost_messages_and_dead_letters_are_seen_to(step: Step) -> None:
    assert step in WAITING
    assert step in REVIVERS


def test_the_task_outlives_the_analyzers_time_limit_but_not_the_lease(settings: Any) -> None:
    limit = settings.LLM_TIMEOUT.total_seconds()

    assert limit < tasks.ANALYZE_SOFT_LIMIT < tasks.ANALYZE_LIMIT <= limit + LEASE_MARGIN.total_seconds()
    assert limit + LEASE_MARGIN.total_seconds() <= settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
