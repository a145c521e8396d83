"""Fixtures for what looks at snapshots."""

import hashlib
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from cameras.choices import SnapshotState
from cameras.models import Camera, Snapshot
from events.detectors import registry
from siteadmin.core import media, pipeline
from siteadmin.core.pipeline import Step
from tests.factories import SnapshotFactory
from tests.fakes.detectors import ScriptedDetector

MakeSnapshot = Callable[..., Snapshot]


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> ScriptedDetector:
    """Give the detector that is asked, and says what the test wants."""
    scripted = ScriptedDetector()
    monkeypatch.setattr(registry, "get_detector", lambda name="": scripted)
    return scripted


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, int]]:
    """Give the steps asked for, in order, instead of a broker."""
    steps: list[tuple[Step, int]] = []

    def note(step: Step, subject_id: int) -> bool:
        steps.append((step, subject_id))
        return True

    monkeypatch.setattr(pipeline, "send", note)
    return steps


@pytest.fixture
def waiting_snapshot() -> MakeSnapshot:
    """Give a function that makes a snapshot with a stored file that waits for detection."""

    def make(*, camera: Camera, data: bytes = b"a picture", captured_at: datetime | None = None, **fields: Any) -> Any:
        name = media.store(io.BytesIO(data), sha256=hashlib.sha256(data).hexdigest(), suffix=".jpg")
        moment = captured_at or timezone.now()
        waiting: dict[str, Any] = {"state": SnapshotState.RECEIVED, "due_at": timezone.now(), **fields}
        return SnapshotFactory(camera=camera, file=name, captured_at=moment, **waiting)

    return make


@pytest.fixture
def in_threads() -> Callable[..., list[Any]]:
    """Give a function that calls another for every item, four at once, each on a connection of its own."""

    def run(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        def alone(item: Any) -> Any:
            try:
                return work(item)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(alone, items))

    return run
