"""What the pure rules need to know, taken from rows."""

from alerts.models import AlertRule
from alerts.rules import DetectionFacts, EventFacts, RuleFacts, Verdict
from alerts.schedules import parse_schedule
from events.models import Detection, Event


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


def facts_of_event(event: Event, *, mode: str = "") -> EventFacts:
    """Give what is known of an event, by one query for its detections."""
    rows = Detection.objects.of_event(event.pk).values_list(
        "id", "object_type", "confidence", "zones", "detected_at", "created_at"
    )
    return EventFacts(
        camera_id=event.camera_id,
        risk_score=event.risk_score,
        ended_at=event.ended_at,
        detections=tuple(
            DetectionFacts(key, object_type, confidence, tuple(zones), detected_at, arrived_at)
            for key, object_type, confidence, zones, detected_at, arrived_at in rows
        ),
        mode=mode,
    )


def key_parts(rule_id: str, conditions: RuleFacts, event: EventFacts, verdict: Verdict) -> dict[str, str]:
    """Give what a key's placeholders stand for; the zone is the first that the rule asks for, else the first."""
    detection = verdict.matched_detection
    zones = () if detection is None else detection.zones
    asked = [zone for zone in zones if zone in conditions.zone_ids] or zones
    return {
        "camera_id": event.camera_id,
        "rule_id": rule_id,
        "object_type": "" if detection is None else detection.object_type,
        "zone": str(asked[0]) if asked else "",
    }
