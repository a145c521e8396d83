"""Where messages go on a broker, and what tells Home Assistant of them (its MQTT discovery); pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NOT_IN_A_TOPIC = re.compile(r"[^A-Za-z0-9_/-]|^/|/$|//")
"""What a topic prefix may not hold: wildcards, spaces, empty parts."""
NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
SEVERITIES = ("low", "medium", "high", "critical")


def alert_topic(config: dict[str, Any]) -> str:
    """Give the topic of alerts."""
    return f"{config['topic_prefix']}/alert"


def alert_discovery(config: dict[str, Any]) -> tuple[str, bytes]:
    """Give topic and payload that make Home Assistant show alerts as an event entity."""
    node = _node(config)
    entity = {
        "name": "Alert",
        "unique_id": f"{node}_alert",
        "state_topic": alert_topic(config),
        "event_types": [*SEVERITIES, "test"],
        "icon": "mdi:shield-alert",
        "device": {"identifiers": [node], "name": "siteadmin", "manufacturer": "siteadmin"},
    }
    return f"{config['discovery_prefix']}/event/{node}/alert/config", _json(entity)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFacts:
    """How a camera stands."""

    camera_id: str
    name: str
    exists: bool = True
    motion: bool = False
    event: dict[str, Any] | None = None
    """Its newest event as plain JSON, with `started_at`."""
    picture: bytes | None = None
    """That event's, a JPEG."""


def camera_messages(config: dict[str, Any], facts: CameraFacts) -> Iterator[tuple[str, bytes]]:
    """Give topics and payloads, all to be kept by the broker; for a camera that is gone they take all away."""
    base = f"{config['topic_prefix']}/cameras/{NOT_IN_AN_ID.sub('_', facts.camera_id)}"
    for topic, entity in _camera_entities(config, facts, base=base):
        yield topic, _json(entity) if facts.exists else b""
    if not facts.exists:
        yield from ((f"{base}/{name}", b"") for name in ("motion", "event", "picture"))
        return
    yield f"{base}/motion", b"ON" if facts.motion else b"OFF"
    if facts.event is not None:
        yield f"{base}/event", _json(facts.event)
    if facts.picture is not None:
        yield f"{base}/picture", facts.picture


def _camera_entities(config: dict[str, Any], facts: CameraFacts, *, base: str) -> Iterator[tuple[str, dict[str, Any]]]:
    node = f"{_node(config)}_{NOT_IN_AN_ID.sub('_', facts.camera_id)}"
    device = {
        "identifiers": [node],
        "name": facts.name,
        "manufacturer": "siteadmin",
        "via_device": _node(config),
    }
    shapes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("binary_sensor", "motion", {"name": "Motion", "state_topic": f"{base}/motion", "device_class": "motion"}),
        (
            "sensor",
            "event",
            {
                "name": "Last event",
                "state_topic": f"{base}/event",
                "value_template": "{{ value_json.started_at }}",
                "device_class": "timestamp",
                "json_attributes_topic": f"{base}/event",
            },
        ),
        ("image", "picture", {"name": "Last picture", "image_topic": f"{base}/picture", "content_type": "image/jpeg"}),
    )
    for component, name, entity in shapes:
        topic = f"{config['discovery_prefix']}/{component}/{node}/{name}/config"
        yield topic, {**entity, "unique_id": f"{node}_{name}", "device": device}


def _node(config: dict[str, Any]) -> str:
    return NOT_IN_AN_ID.sub("_", config["topic_prefix"])


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
