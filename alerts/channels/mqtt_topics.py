"""Where messages go on a broker, and what tells Home Assistant of them (its MQTT discovery); pure."""

import json
import re
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


def _node(config: dict[str, Any]) -> str:
    return NOT_IN_AN_ID.sub("_", config["topic_prefix"])


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
