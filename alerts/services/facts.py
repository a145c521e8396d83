"""What the pure rules need to know, taken from rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from alerts.choices import RuleTrigger
from alerts.models import AlertRule
from alerts.rules import DetectionFacts, EventFacts, RuleFacts
from alerts.schedules import parse_schedule
from cameras.choices import CameraStatus
from cameras.models import CameraStatusChange

CAMERA_TRIGGERS = {
    CameraStatus.OFFLINE: RuleTrigger.CAMERA_OFFLINE,
    CameraStatus.ONLINE: RuleTrigger.CAMERA_ONLINE,
}
HAPPENED = {CameraStatus.OFFLINE: "the camera is silent", CameraStatus.ONLINE: "the camera is back"}
DetectionRow = tuple[int, str, float, Sequence[int], datetime, datetime]
"""Id, type, confidence, zones, time and arrival."""


def facts_of_rule(rule: AlertRule) -> RuleFacts:
    """Give a rule's conditions; raises ScheduleError where its schedule cannot be used (any more)."""
    return RuleFacts(
        risk_threshold=rule.risk_threshold,
        camera_ids=frozenset(rule.camera_ids),
        object_types=frozenset(rule.object_types),
        min_confidence=rule.min_confidence,
        zone_ids=frozenset(rule.zone_ids),
        schedule=None if rule.schedule is None else parse_schedule(rule.schedule),
        modes=frozenset(rule.modes),
    )


def facts_of_detections(rows: Iterable[DetectionRow]) -> tuple[DetectionFacts, ...]:
    """Give what is known of each detection."""
    return tuple(
        DetectionFacts(key, object_type, confidence, tuple(zones), detected_at, arrived_at)
        for key, object_type, confidence, zones, detected_at, arrived_at in rows
    )


def facts_of_change(change: CameraStatusChange, *, mode: str) -> EventFacts:
    """Give what is known of a camera's falling silent or coming back; nothing is seen then."""
    happened = HAPPENED[CameraStatus(change.status)]
    return EventFacts(change.camera_id, None, change.at, mode=mode, happened=happened)
