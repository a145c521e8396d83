"""What people and programs are told: what, where, when, how bad and why."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from alerts.models import Alert
from alerts.results import Notice
from cameras.models import Camera
from events.models import Event

ALERT_CREATED = "alert.created"
CHANNEL_TEST = "channel.test"

# Written out: looking them up would load every page of the site into each worker. A test holds them to the site's.
EVENT_PATH = "/admin/events/event/{}/change/"
IMAGE_PATH = "/api/events/{}/image"


def build_alert_notice(alert: Alert, *, picture: bytes | None = None) -> Notice:
    """Give what is told of an alert; times are in the zone of its camera's clock."""
    event = alert.event
    links = _links(event)
    return Notice(
        type=ALERT_CREATED,
        at=alert.created_at,
        title=_title(alert, event=event),
        facts=tuple(_facts(alert, event=event)),
        links=links,
        data={
            "alert": _alert_data(alert),
            "event": None if event is None else _event_data(event),
            "camera": _camera_data(alert.camera),
            "links": links,
        },
        picture=picture,
    )


def build_test_notice(*, channel_name: str, at: datetime) -> Notice:
    """Give a message that is marked as a test and tells of nothing."""
    return Notice(
        type=CHANNEL_TEST,
        at=at,
        title=f"Test of the channel {channel_name}",
        facts=(("Test", "This message was sent to test the channel. Nothing happened."), ("Site", settings.SITE_URL)),
        links={},
        data={"test": True, "channel": channel_name, "alert": None, "event": None, "camera": None, "links": {}},
    )


def _title(alert: Alert, *, event: Event | None) -> str:
    what = ", ".join(event.object_types) if event is not None and event.object_types else alert.rule_name
    return f"{alert.severity.capitalize()}: {what} at {alert.camera.name}"


def _facts(alert: Alert, *, event: Event | None) -> list[tuple[str, str]]:
    facts = [("Rule", f"{alert.rule_name} (severity {alert.severity})"), ("Camera", alert.camera.name)]
    if event is None:
        return [*facts, ("When", _local(alert.created_at, camera=alert.camera))]
    facts.append(("When", _local(event.started_at, camera=alert.camera)))
    if event.object_types:
        facts.append(("Seen", ", ".join(event.object_types)))
    if event.risk_score is not None:
        facts.append(("Score", f"{event.risk_score} of 100 ({event.risk_level})"))
    if alert.matched_conditions:
        facts.append(("Conditions", "; ".join(map(str, alert.matched_conditions))))
    if event.reasoning:
        facts.append(("Why", event.reasoning))
    return facts


def _local(at: datetime, *, camera: Camera) -> str:
    return f"{at.astimezone(camera.zone_info):%A, %d %B %Y, %H:%M:%S %Z}"


def _links(event: Event | None) -> dict[str, str]:
    if event is None:
        return {}
    return {
        "event": settings.SITE_URL + EVENT_PATH.format(event.pk),
        "image": settings.SITE_URL + IMAGE_PATH.format(event.pk),
    }


def _alert_data(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "event": alert.event_id,
        "rule": alert.rule_id,
        "rule_name": alert.rule_name,
        "camera": alert.camera_id,
        "severity": alert.severity,
        "status": alert.status,
        "dedup_key": alert.dedup_key,
        "matched_conditions": alert.matched_conditions,
        "created_at": _utc(alert.created_at),
    }


def _event_data(event: Event) -> dict[str, Any]:
    """Give what was seen; what staff noted about it stays inside."""
    return {
        "id": event.pk,
        "camera": event.camera_id,
        "started_at": _utc(event.started_at),
        "ended_at": _utc(event.ended_at),
        "state": event.state,
        "risk_score": event.risk_score,
        "risk_level": event.risk_level,
        "scored_by": event.scored_by,
        "summary": event.summary,
        "reasoning": event.reasoning,
        "object_types": event.object_types,
        "zones": event.zones,
        "detection_count": event.detection_count,
    }


def _camera_data(camera: Camera) -> dict[str, Any]:
    return {"id": camera.pk, "name": camera.name, "timezone": camera.zone_info.key}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
