"""What people and programs are told: what, where, when, how bad and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.admin.utils import quote

from alerts.choices import RuleTrigger, Severity
from alerts.models import Alert
from alerts.results import Notice
from cameras.models import Camera
from events.models import Event
from events.services.pictures import plan_event_picture

ALERT_CREATED = "alert.created"
ALERT_DIGEST = "alert.digest"
CHANNEL_DISABLED = "channel.disabled"
CHANNEL_TEST = "channel.test"

# Written out: looking them up would load every page of the site into each worker. A test holds them to the site's.
EVENT_PATH = "/admin/events/event/{}/change/"
CAMERA_PATH = "/admin/cameras/camera/{}/change/"
IMAGE_PATH = "/api/events/{}/image"
ALERTS_PATH = "/admin/alerts/alert/"
MOST_CAMERAS_NAMED = 10


STATES = {RuleTrigger.CAMERA_OFFLINE.value: "is silent", RuleTrigger.CAMERA_ONLINE.value: "is back"}


def build_alert_notice(
    alert: Alert,
    *,
    picture: bytes | None = None,
    zone: str = "",
    places: Sequence[str] = (),
    also: Sequence[str] = (),
    step: int | None = None,
    actions: Mapping[str, str] | None = None,
) -> Notice:
    """Give what is told of an alert; times are in the recipient's zone, else the site's.

    `places`: the names of the event's zones; `also`: further rules that this message tells of; `step`: the escalation
    step that asked for it; `actions`: links by which its reader acts without a login.
    """
    event = alert.event
    links = _links(event, camera=alert.camera)
    facts = _facts(alert, event=event, zone=zone, places=places)
    if also:
        facts.insert(1, ("Also", ", ".join(dict.fromkeys(also))))
    if step is not None:
        facts.insert(0, ("Escalated", f"Step {step}: nobody has acknowledged this alert yet"))
    data = {
        "alert": _alert_data(alert),
        "event": None if event is None else _event_data(event),
        "camera": _camera_data(alert.camera),
        "links": {**links, **(actions or {})},
    }
    if step is not None:
        data["escalation"] = {"step": step}
    return Notice(
        type=ALERT_CREATED,
        at=alert.created_at,
        title=_title(alert, event=event),
        facts=tuple(facts),
        links={**links, **(actions or {})},
        data=data,
        picture=picture,
    )


def build_digest_notice(
    *,
    at: datetime,
    counts: Sequence[tuple[str, str, int]],
    span: tuple[datetime, datetime],
    worst: Sequence[Alert],
    zone: str = "",
    picture: bytes | None = None,
) -> Notice:
    """Give what is told of the alerts that went over a channel's limit; `counts` by camera's name and severity."""
    total = sum(number for _, _, number in counts)
    by_camera: Counter[str] = Counter()
    by_severity: Counter[str] = Counter()
    for camera, severity, number in counts:
        by_camera[camera] += number
        by_severity[severity] += number
    severities = {one.value: by_severity[one] for one in reversed(Severity) if by_severity[one]}
    most = by_camera.most_common(MOST_CAMERAS_NAMED)
    cameras = [f"{name} ({number})" for name, number in most]
    if len(by_camera) > len(most):
        cameras.append(f"{len(by_camera) - len(most)} more")
    links = {"alerts": settings.SITE_URL + ALERTS_PATH}
    facts = [
        ("Alerts", ", ".join(f"{number} {severity}" for severity, number in severities.items())),
        ("Cameras", ", ".join(cameras)),
        ("From", local_time(span[0], zone=zone)),
        ("To", local_time(span[1], zone=zone)),
        *(("Worst", _worst(alert, zone=zone)) for alert in worst),
        ("Open", links["alerts"]),
    ]
    return Notice(
        type=ALERT_DIGEST,
        at=at,
        title=f"{total} more {'alert' if total == 1 else 'alerts'}",
        facts=tuple(facts),
        links=links,
        data={
            "digest": {
                "count": total,
                "from": _utc(span[0]),
                "to": _utc(span[1]),
                "by_severity": severities,
                "by_camera": dict(most),
            },
            "worst": [
                {
                    "alert": _alert_data(alert),
                    "event": None if alert.event is None else _event_data(alert.event),
                    "camera": _camera_data(alert.camera),
                    "links": _links(alert.event, camera=alert.camera),
                }
                for alert in worst
            ],
            "links": links,
        },
        picture=picture,
    )


def build_product_notice(*, channel_name: str, reason: str, at: datetime) -> Notice:
    """Give what is told to all others when a channel was switched off."""
    return Notice(
        type=CHANNEL_DISABLED,
        at=at,
        title=f"The channel {channel_name} was switched off",
        facts=(
            ("Why", reason),
            ("What to do", "Nobody is told of alerts by it any more. Correct its settings and switch it on again."),
            ("Site", settings.SITE_URL),
        ),
        data={"channel": channel_name, "reason": reason, "alert": None, "event": None, "camera": None, "links": {}},
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
    if alert.trigger in STATES:
        return f"{alert.severity.capitalize()}: {alert.camera.name} {STATES[alert.trigger]}"
    what = ", ".join(event.object_types) if event is not None and event.object_types else alert.rule_name
    return f"{alert.severity.capitalize()}: {what} at {alert.camera.name}"


def _worst(alert: Alert, *, zone: str) -> str:
    at = alert.created_at if alert.event is None else alert.event.started_at
    links = _links(alert.event, camera=alert.camera)
    return f"{_title(alert, event=alert.event)}, {local_time(at, zone=zone)}\n{links.get('event') or links['camera']}"


def _facts(alert: Alert, *, event: Event | None, zone: str, places: Sequence[str]) -> list[tuple[str, str]]:
    facts = [("Rule", f"{alert.rule_name} (severity {alert.severity})"), ("Camera", alert.camera.name)]
    if places:
        facts.append(("Zones", ", ".join(places)))
    if event is None:
        facts.append(("When", _when(alert.created_at, zone=zone, camera=alert.camera)))
        if alert.matched_conditions:
            facts.append(("Conditions", "; ".join(map(str, alert.matched_conditions))))
        return facts
    facts.append(("When", _when(event.started_at, zone=zone, camera=alert.camera)))
    if event.object_types:
        facts.append(("Seen", ", ".join(event.object_types)))
    if event.risk_score is not None:
        facts.append(("Score", f"{event.risk_score} of 100 ({event.risk_level})"))
    if alert.matched_conditions:
        facts.append(("Conditions", "; ".join(map(str, alert.matched_conditions))))
    if event.reasoning:
        facts.append(("Why", event.reasoning))
    return facts


def local_time(at: datetime, *, zone: str = "") -> str:
    """Give a time in words in this zone, else the site's."""
    return f"{at.astimezone(_zone(zone)):%A, %d %B %Y, %H:%M:%S %Z}"


def _when(at: datetime, *, zone: str, camera: Camera) -> str:
    """Give the time for the recipient, and the camera's own where its clock shows another."""
    theirs, own = at.astimezone(_zone(zone)), at.astimezone(camera.zone_info)
    beside = "" if theirs.utcoffset() == own.utcoffset() else f" ({own:%H:%M:%S %Z} at the camera)"
    return local_time(at, zone=zone) + beside


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):  # a zone that this machine knows no more
        return ZoneInfo(settings.TIME_ZONE)


def _links(event: Event | None, *, camera: Camera) -> dict[str, str]:
    if event is None:
        return {"camera": settings.SITE_URL + CAMERA_PATH.format(quote(camera.pk))}
    links = {"event": settings.SITE_URL + EVENT_PATH.format(event.pk)}
    if plan_event_picture(event, annotated=False) is not None:  # a detector elsewhere may have sent none
        links["image"] = settings.SITE_URL + IMAGE_PATH.format(event.pk)
    return links


def _alert_data(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "event": alert.event_id,
        "rule": alert.rule_id,
        "rule_name": alert.rule_name,
        "camera": alert.camera_id,
        "trigger": alert.trigger,
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
