"""The rows of a made-up history: the same for the same seed, end and numbers. Pure."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from events.choices import MEDIUM_FROM, RiskLevel

Row = Sequence[Any]
"""Values as COPY takes them; times and lists as text already, since each stands in many columns."""

DETECTIONS_AN_EVENT = 3
SECONDS_APART = timedelta(seconds=4)
EVENTS_A_SNAPSHOT = 10
"""One event in so many has a snapshot; the others are as an external detector sends them."""
EVENTS_AN_ALERT = 20

CAMERA_PLACES = (
    "Front Door", "Driveway", "Back Yard", "Garage", "Side Gate", "Porch", "Street", "Garden Shed",
    "Kitchen Window", "Loading Dock", "Warehouse North", "Warehouse South", "Parking", "Bike Rack",
    "Reception", "Roof Terrace", "Orchard", "Barn", "Stable", "Boat House",
)  # fmt: skip
ZONE_NAMES = ("Entry", "Path", "Lawn")
TYPES = ("person", "car", "cat", "dog", "truck", "bicycle", "bird", "bus")
TYPE_WEIGHTS = tuple(accumulate((50, 20, 8, 8, 5, 5, 3, 1)))
REMARKS = (
    ("the postman again", 0.04),
    ("a neighbour fetched the parcel", 0.02),
    ("the gate stood open", 0.01),
    ("somebody with a ladder", 0.0005),
    ("a wheelbarrow was left behind", 0.00002),
)
"""Notes, and the share of all events that has each: from common words to rare ones."""
PLATE_SHARE = 0.03
"""Events whose notes name a licence plate: words of which each stands in few events."""

EVENT_FIELDS = (
    "id", "camera", "started_at", "ended_at", "last_arrival_at", "state", "risk_score", "scored_by", "summary",
    "reasoning", "object_types", "zones", "detection_count", "key_detection", "reviewed", "reviewed_at", "notes",
    "kept", "created_at", "due_at",
)  # fmt: skip
DETECTION_FIELDS = (
    "id", "snapshot", "camera", "event", "external_id", "object_type", "confidence", "x", "y", "width", "height",
    "frame_width", "frame_height", "zones", "attributes", "detected_at", "created_at",
)  # fmt: skip
SNAPSHOT_FIELDS = (
    "id", "camera", "name", "sha256", "stated_at", "trigger", "width", "height", "size", "frames", "state",
    "captured_at", "received_at", "due_at",
)  # fmt: skip
ALERT_FIELDS = (
    "id", "event", "rule", "rule_name", "camera", "severity", "status", "dedup_key", "matched_conditions",
    "created_at", "delivered_at", "acknowledged_by",
)  # fmt: skip
DELIVERY_FIELDS = (
    "id", "alert", "channel", "channel_name", "state", "idempotency_key", "severity", "created_at", "delivered_at",
    "due_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MadeCamera:
    """A camera of the history, with its zones' ids; the first ones see the most."""

    id: str
    name: str
    zones: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What the history is to be, and after which ids its rows come."""

    events: int
    seed: int
    until: datetime
    span: timedelta
    cameras: Sequence[MadeCamera]
    rule: tuple[int, str]
    channel: tuple[int, str]
    last_ids: dict[str, int]


@dataclass(slots=True)
class Batch:
    """Rows of each kind, in the order of the fields above."""

    events: list[Row] = field(default_factory=list)
    detections: list[Row] = field(default_factory=list)
    snapshots: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)


def make_batches(outline: Outline, *, size: int) -> Iterator[Batch]:
    """Give the history's rows, oldest first, `size` events at a time."""
    maker = _Maker(outline)
    for start in range(0, outline.events, size):
        batch = Batch()
        for number in range(start, min(start + size, outline.events)):
            maker.add(batch, number)
        yield batch


class _Maker:
    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.random = random.Random(outline.seed)  # noqa: S311 - nothing secret about it
        self.start = outline.until - outline.span
        self.step = outline.span / max(outline.events, 1)
        self.weights = list(accumulate(1 / (place + 1) for place in range(len(outline.cameras))))
        self.last = dict(outline.last_ids)

    def add(self, batch: Batch, number: int) -> None:
        """Add one event and all that belongs to it."""
        draw = self.random.random
        camera = self.random.choices(self.outline.cameras, cum_weights=self.weights)[0]
        started_at = self.start + (number + draw()) * self.step
        main = self._type()
        further = self._type() if draw() < 0.2 else main
        types = [main] if further == main else [main, further]
        zone = int(draw() * len(camera.zones)) if camera.zones and draw() < 0.6 else None
        zones = "{}" if zone is None else f"{{{camera.zones[zone]}}}"
        score = min(int(self.random.expovariate(1 / 22)), 100)
        reviewed = draw() < 0.6
        event_id = self._next("event")

        times = [(started_at + SECONDS_APART * place).isoformat() for place in range(DETECTIONS_AN_EVENT)]
        snapshot_id = self._snapshot(batch, camera, started_at) if number % EVENTS_A_SNAPSHOT == 0 else None
        key_detection = self.last["detection"] + 1
        for place, at in enumerate(times):
            kind = further if place == DETECTIONS_AN_EVENT - 1 else main
            batch.detections.append(self._detection(event_id, snapshot_id, camera.id, kind, zones, at))
            snapshot_id = None
        batch.events.append(
            (
                event_id, camera.id, times[0], times[-1], times[-1], "closed", score, "builtin",
                f"{' and '.join(f'1 {kind}' for kind in types)} at {camera.name}"
                f"{'' if zone is None else f', {ZONE_NAMES[zone]}'}",
                f"{main} +{score // 2}, confidence 0.{50 + score // 3} +{score - score // 2} = {score}",
                f"{{{','.join(types)}}}", zones, DETECTIONS_AN_EVENT, key_detection,
                reviewed, times[-1] if reviewed else None, self._notes(), draw() < 0.01, times[0], None,
            )
        )  # fmt: skip
        if number % EVENTS_AN_ALERT == 0:
            self._alert(batch, event_id, camera.id, score, times[0])

    def _type(self) -> str:
        return self.random.choices(TYPES, cum_weights=TYPE_WEIGHTS)[0]

    def _next(self, kind: str) -> int:
        self.last[kind] += 1
        return self.last[kind]

    def _notes(self) -> str:
        found = [text for text, share in REMARKS if self.random.random() < share]
        if self.random.random() < PLATE_SHARE:
            letters = "".join(self.random.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3))
            found.append(f"plate {letters}{self.random.randrange(1000):03d}")
        return ", ".join(found)

    def _detection(self, event_id: int, snapshot_id: int | None, camera_id: str, kind: str, zones: str, at: str) -> Row:
        draw = self.random.random
        detection_id = self._next("detection")
        return (
            detection_id, snapshot_id, camera_id, event_id, "" if snapshot_id else f"history-{detection_id}",
            kind, round(0.5 + draw() / 2, 4), int(draw() * 600), int(draw() * 400), 40, 120, 640, 480,
            zones, "{}", at, at,
        )  # fmt: skip

    def _snapshot(self, batch: Batch, camera: MadeCamera, at: datetime) -> int:
        snapshot_id, stated = self._next("snapshot"), at.isoformat()
        batch.snapshots.append(
            (
                snapshot_id, camera.id, f"{at:%Y%m%d}/{at:%H%M%S}.jpg",
                hashlib.sha256(b"history %d" % snapshot_id).hexdigest(),
                stated, "alarm", 640, 480, 48_000, "{}", "detected", stated, stated, None,
            )
        )  # fmt: skip
        return snapshot_id

    def _alert(self, batch: Batch, event_id: int, camera_id: str, score: int, at: str) -> None:
        (rule_id, rule_name), (channel_id, channel_name) = self.outline.rule, self.outline.channel
        alert_id, delivery_id = self._next("alert"), self._next("delivery")
        severity = RiskLevel.of_score(score).value
        status = "delivered" if score < MEDIUM_FROM else "acknowledged"
        by = "" if status == "delivered" else "admin"
        batch.alerts.append(
            (
                alert_id, event_id, rule_id, rule_name, camera_id, severity, status,
                f"{camera_id}:{rule_id}", '["no conditions"]', at, at, by,
            )
        )  # fmt: skip
        batch.deliveries.append(
            (
                delivery_id, alert_id, channel_id, channel_name, "delivered", f"history-{delivery_id}",
                severity, at, at, None,
            )
        )  # fmt: skip
