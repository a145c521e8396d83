"""Writes the storm's events; runs inside the product's own environment."""

import time
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from cameras.models import Camera
from events.choices import EventState
from events.models import Detection, Event
from siteadmin.core.pipeline import Step, dispatch_all

AT_ONCE = 50
"""Events of one transaction."""


def write_events(count: int, seconds: float) -> None:
    """Write so many events that wait for the rules at a steady pace, as detection does, over all cameras."""
    cameras = [camera.pk for camera in Camera.objects.get_all()]
    began = time.monotonic()
    for first in range(0, count, AT_ONCE):
        time.sleep(max(began + seconds * first / count - time.monotonic(), 0))
        _write(cameras[number % len(cameras)] for number in range(first, first + AT_ONCE))


def _write(camera_ids: Iterable[str]) -> None:
    now = timezone.now()
    with transaction.atomic():
        events = Event.objects.create_many(
            Event(
                camera_id=camera_id,
                started_at=now,
                ended_at=now,
                last_arrival_at=now,
                state=EventState.CLOSED,  # one is open at a camera at a time
                risk_score=50,
                object_types=["person"],
                detection_count=1,
                due_at=now - timedelta(seconds=1),
            )
            for camera_id in camera_ids
        )
        Detection.objects.create_many(
            Detection(
                event=event,
                camera_id=event.camera_id,
                object_type="person",
                confidence=0.9,
                x=300,
                y=200,
                width=40,
                height=120,
                frame_width=640,
                frame_height=480,
                detected_at=now,
                created_at=now,
            )
            for event in events
        )
        dispatch_all(Step.EVALUATE, [event.pk for event in events])
