"""Puts detections into events, the same way however many workers do it at once."""

from collections.abc import Sequence

from django.conf import settings

from events.models import Detection, Event
from events.services.spans import Span, plan_groups


def lock_camera(camera_id: str) -> None:
    """Let nobody else group this camera's detections until the caller's transaction ends; taking it twice is fine."""
    Event.objects.lock_grouping(camera_id)


def assign_to_events(camera_id: str, detections: Sequence[Detection]) -> list[int]:
    """Insert these new detections of one camera into the events where they belong; gives the grown events' ids.

    Opens events, opens closed ones again and merges those that a detection bridges, by the camera's own time
    (`detected_at`); detections of one time stay together. Each grown event waits for the rules again.
    The caller has a transaction open and scores and dispatches the events in it.
    """
    if not detections:
        return []
    lock_camera(camera_id)
    times = {detection.detected_at for detection in detections}
    window, idle = settings.BATCH_WINDOW, settings.BATCH_IDLE_TIMEOUT
    existing = Event.objects.lock_near(camera_id, first=min(times), last=max(times), window=window, idle=idle)
    plan = plan_groups([Span(start, end, key) for key, start, end in existing], times, window=window, idle=idle)

    opened = Event.objects.open_many(camera_id, [(span.started_at, span.ended_at) for span in plan.new.values()])
    row_of = dict(zip(plan.new, opened, strict=True))
    for detection in detections:
        key = plan.group_of[detection.detected_at]
        detection.event_id = row_of.get(key, key)
    Detection.objects.create_many(detections)
    merged = {gone: row_of.get(kept, kept) for gone, kept in plan.merged.items()}
    Event.objects.merge_into(merged)
    grown = sorted({detection.event_id for detection in detections if detection.event_id is not None})
    Event.objects.refresh(grown)
    return grown
