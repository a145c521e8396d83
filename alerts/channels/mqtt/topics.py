"""Where messages go on a broker, and what tells Home Assistant of them (its MQTT discovery); pure."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]
Entity = tuple[str, str, dict[str, Any]]
"""Kind of entity, its name within the device, and what Home Assistant is told of it."""

NOT_IN_A_TOPIC = re.compile(r"[^A-Za-z0-9_/-]|^/|/$|//")
"""What a topic prefix may not hold: wildcards, spaces, empty parts."""
NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
EVENT_TYPES = ("low", "medium", "high", "critical", "digest", "notice", "test")
"""Of the alert's entity: the severities, and what else a channel is told."""
ONLINE, OFFLINE = b"online", b"offline"
NO_MODE = "None"
"""What Home Assistant's selects take for "unknown"."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One message for the broker."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFacts:
    """How a camera stands."""

    camera_id: str
    name: str = ""
    exists: bool = True
    motion: bool = False
    event: dict[str, Any] | None = None
    """Its newest event as plain JSON, with `started_at`."""
    picture: bytes | None = None
    """That event's, a JPEG."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one channel."""

    prefix: str
    discovery_prefix: str
    site_url: str = ""
    """Where Home Assistant leads to from its devices."""

    @property
    def alert(self) -> str:
        """Where alerts go."""
        return f"{self.prefix}/alert"

    @property
    def status(self) -> str:
        """Where it says whether siteadmin keeps the connection."""
        return f"{self.prefix}/status"

    @property
    def mode(self) -> str:
        """Where the active mode's name stands."""
        return f"{self.prefix}/mode"

    @property
    def mode_command(self) -> str:
        """Where a mode's name makes it the active one."""
        return f"{self.prefix}/mode/set"

    @property
    def any_motion(self) -> str:
        """By which the broker is asked which cameras it knows."""
        return f"{self.prefix}/cameras/+/motion"

    def camera_of(self, topic: str) -> str | None:
        """Give the camera of a topic that `any_motion` matched, None for any other topic."""
        head, tail = f"{self.prefix}/cameras/", "/motion"
        return topic[len(head) : -len(tail)] if topic.startswith(head) and topic.endswith(tail) else None

    def status_message(self, *, online: bool) -> Publication:
        """Say whether siteadmin is there."""
        return _kept(self.status, ONLINE if online else OFFLINE)

    def site_messages(self, *, modes: Sequence[str]) -> Iterator[Publication]:
        """Let Home Assistant find what belongs to no camera."""
        for kind, name, entity in self._site_entities(modes):
            # Without a mode there is nothing to choose from.
            found = _json({**entity, **self._origin(name)}) if modes or kind != "select" else b""
            yield _kept(self._discovery(kind, self._node, name), found)

    def mode_message(self, mode: str) -> Publication:
        """Tell which mode is active."""
        return _kept(self.mode, (mode or NO_MODE).encode())

    def camera_messages(self, facts: CameraFacts) -> Iterator[Publication]:
        """Tell how a camera stands; of one that is gone, let the broker forget all."""
        base = f"{self.prefix}/cameras/{_id(facts.camera_id)}"
        node = f"{self._node}_{_id(facts.camera_id)}"
        device = {
            "identifiers": [node],
            "name": facts.name,
            "manufacturer": "siteadmin",
            "via_device": self._node,
            **self._site(),
        }
        for kind, name, entity in _camera_entities(base):
            found = {**entity, "availability_topic": self.status, "unique_id": f"{node}_{name}", "device": device}
            yield _kept(self._discovery(kind, node, name), _json(found) if facts.exists else b"")
        if not facts.exists:
            yield from (_kept(f"{base}/{name}", b"") for name in ("motion", "event", "picture"))
            return
        yield _kept(f"{base}/motion", b"ON" if facts.motion else b"OFF")
        if facts.event is not None:
            yield _kept(f"{base}/event", _json(facts.event))
        if facts.picture is not None:
            yield _kept(f"{base}/picture", facts.picture)

    def forget_site(self) -> Iterator[Publication]:
        """Let the broker forget what belongs to no camera."""
        for kind, name, _ in self._site_entities(()):
            yield _kept(self._discovery(kind, self._node, name), b"")
        yield from (_kept(topic, b"") for topic in (self.mode, self.status))

    @property
    def _node(self) -> str:
        return _id(self.prefix)

    def _site_entities(self, modes: Sequence[str]) -> tuple[Entity, ...]:
        alert = {
            # No availability: alerts are sent over connections of their own, whatever becomes of the kept one.
            "name": "Alert",
            "state_topic": self.alert,
            "event_types": list(EVENT_TYPES),
            "icon": "mdi:shield-alert",
        }
        connection = {
            "name": "Connection",
            "state_topic": self.status,
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        }
        mode = {
            "name": "Mode",
            "state_topic": self.mode,
            "command_topic": self.mode_command,
            "options": list(modes),
            "availability_topic": self.status,
            "icon": "mdi:shield-home",
            "qos": 1,
        }
        return ("event", "alert", alert), ("binary_sensor", "connection", connection), ("select", "mode", mode)

    def _origin(self, name: str) -> dict[str, Any]:
        device = {"identifiers": [self._node], "name": "siteadmin", "manufacturer": "siteadmin", **self._site()}
        return {"unique_id": f"{self._node}_{name}", "device": device}

    def _site(self) -> dict[str, str]:
        return {"configuration_url": self.site_url} if self.site_url else {}

    def _discovery(self, kind: str, node: str, name: str) -> str:
        return f"{self.discovery_prefix}/{kind}/{node}/{name}/config"


def _camera_entities(base: str) -> tuple[Entity, ...]:
    event = {
        "name": "Last event",
        "state_topic": f"{base}/event",
        "value_template": "{{ value_json.started_at }}",
        "device_class": "timestamp",
        "json_attributes_topic": f"{base}/event",
    }
    picture = {"name": "Last picture", "image_topic": f"{base}/picture", "content_type": "image/jpeg"}
    return (
        ("binary_sensor", "motion", {"name": "Motion", "state_topic": f"{base}/motion", "device_class": "motion"}),
        ("sensor", "event", event),
        ("image", "picture", picture),
    )


def _kept(topic: str, payload: bytes) -> Publication:
    return Publication(topic, payload, retain=True)


def _id(text: str) -> str:
    return NOT_IN_AN_ID.sub("_", text)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
