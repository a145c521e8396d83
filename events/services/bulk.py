"""Detections that an external detector sends: taken in like built-in ones, each answered on its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from django.db import transaction
from django.utils import timezone

from cameras.ingest.clock import choose_captured_at
from cameras.models import Camera, Snapshot
from cameras.services.cameras import note_clock
from events.models import Detection
from events.services import zoning
from events.services.analysis import score_events
from events.services.enrichment import request_enrichments
from events.services.grouping import assign_to_events, lock_camera
from siteadmin.core.exceptions import (
    BoundingBoxValidationError,
    CameraNotFoundError,
    InvalidInputError,
    SecurityIntelligenceError,
    SnapshotNotFoundError,
)
from siteadmin.core.pipeline import Step, dispatch

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
LARGEST_FRAME = 100_000
"""Pixels of a side; no camera has more, and the columns take it."""
LONGEST_TYPE, LONGEST_EXTERNAL_ID = 64, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalDetection:
    """One object as an external detector saw it; the box is in pixels of the frame, from the top left corner.

    Its time is judged like a picture's: one that cannot be gives way to the arrival's and is shown as a clock fault.
    The sender has applied a threshold of its own, so every confidence counts. `external_id` is the sender's own
    id, unique within the camera: the same again adds nothing.
    """

    camera: str
    detected_at: datetime
    object_type: str
    confidence: float
    x: int
    y: int
    width: int
    height: int
    frame_width: int
    frame_height: int
    snapshot: int | None = None
    external_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionOutcome:
    """What became of the item at `index`: 201 stored, 200 known already (by `external_id`), else `error`'s status."""

    index: int
    status: int
    id: int | None = None
    event: int | None = None
    error: SecurityIntelligenceError | None = None


def record_detections(
    items: Sequence[ExternalDetection], *, camera_ids: frozenset[str] | None = None
) -> list[DetectionOutcome]:
    """Store the detections, group them into events, score these and ask for the rules; one outcome an item, in order.

    `camera_ids`: the cameras that the sender may write to, None for all; any other is not found. Each camera is one
    transaction. An item that cannot be taken changes nothing for the others.
    """
    asked = Camera.objects.get_many({item.camera for item in items})
    cameras = {
        camera.pk: camera
        for camera in asked
        if camera.deleted_at is None and (camera_ids is None or camera.pk in camera_ids)
    }
    named = Snapshot.objects.get_many({item.snapshot for item in items if item.snapshot is not None})
    camera_of_snapshot = {snapshot.pk: snapshot.camera_id for snapshot in named}
    outcomes: dict[int, DetectionOutcome] = {}
    good: list[tuple[int, ExternalDetection]] = []
    for index, item in enumerate(items):
        try:
            if item.camera not in cameras:
                raise CameraNotFoundError(item.camera)
            if item.snapshot is not None and camera_of_snapshot.get(item.snapshot) != item.camera:
                raise SnapshotNotFoundError(item.snapshot)
            _check(item)
        except SecurityIntelligenceError as error:
            outcomes[index] = DetectionOutcome(index=index, status=error.status_code, error=error)
        else:
            good.append((index, item))
    good.sort(key=lambda one: (one[1].camera, one[0]))
    for camera_id, theirs in groupby(good, key=lambda one: one[1].camera):
        outcomes |= _record_for_camera(cameras[camera_id], list(theirs))
    return [outcomes[index] for index in range(len(items))]


def _record_for_camera(camera: Camera, items: list[tuple[int, ExternalDetection]]) -> dict[int, DetectionOutcome]:
    camera_id, arrived_at = camera.pk, timezone.now()
    zones = zoning.enabled_zones(camera_id)
    with transaction.atomic():
        lock_camera(camera_id)  # from here on nobody else adds an external id to this camera
        known = Detection.objects.get_by_external_ids(
            camera_id, [item.external_id for _, item in items if item.external_id]
        )
        fresh: dict[int, Detection] = {}
        first_of: dict[str, int] = {}
        for index, item in items:
            if item.external_id and (item.external_id in known or item.external_id in first_of):
                continue
            fresh[index] = _detection_of(item, camera=camera, zones=zones, arrived_at=arrived_at)
            if item.external_id:
                first_of[item.external_id] = index
        _note_clock(camera, (item for index, item in items if index in fresh), arrived_at=arrived_at)
        event_ids = assign_to_events(camera_id, list(fresh.values()))
        score_events(event_ids)
        request_enrichments(fresh.values())
        for event_id in event_ids:
            dispatch(Step.EVALUATE, event_id)
    return {index: _outcome(index, item, fresh=fresh, first_of=first_of, known=known) for index, item in items}


def _outcome(
    index: int,
    item: ExternalDetection,
    *,
    fresh: Mapping[int, Detection],
    first_of: Mapping[str, int],
    known: Mapping[str, Detection],
) -> DetectionOutcome:
    if index in fresh:
        status, stored = 201, fresh[index]
    elif item.external_id in known:
        status, stored = 200, known[item.external_id]
    else:
        status, stored = 200, fresh[first_of[item.external_id]]
    return DetectionOutcome(index=index, status=status, id=stored.pk, event=stored.event_id)


def _note_clock(camera: Camera, items: Iterable[ExternalDetection], *, arrived_at: datetime) -> None:
    """Note the newest time that the sender states on its own; that of a picture was judged when this arrived."""
    stated = [item.detected_at for item in items if item.snapshot is None]
    if stated:
        note_clock(camera, stated=max(stated), arrived_at=arrived_at)


def _detection_of(
    item: ExternalDetection, *, camera: Camera, zones: Iterable[zoning.ZoneShape], arrived_at: datetime
) -> Detection:
    return Detection(
        camera_id=camera.pk,
        snapshot_id=item.snapshot,
        external_id=item.external_id,
        object_type=item.object_type,
        confidence=item.confidence,
        x=item.x,
        y=item.y,
        width=item.width,
        height=item.height,
        frame_width=item.frame_width,
        frame_height=item.frame_height,
        zones=zoning.zones_of_box(zones, item),
        attributes=dict(item.attributes),
        detected_at=choose_captured_at(
            stated=item.detected_at, file_time=None, zone=camera.zone_info, arrived_at=arrived_at
        ),
    )


def _check(item: ExternalDetection) -> None:
    if not 1 <= len(item.object_type.strip()) <= LONGEST_TYPE:
        raise InvalidInputError(f"object_type takes 1 to {LONGEST_TYPE} signs", details={"field": "object_type"})
    if len(item.external_id) > LONGEST_EXTERNAL_ID:
        raise InvalidInputError(f"external_id takes {LONGEST_EXTERNAL_ID} signs", details={"field": "external_id"})
    if "\x00" in item.object_type + item.external_id:
        raise InvalidInputError("A text must not hold a NUL")
    if not 0 <= item.confidence <= 1:
        raise InvalidInputError("confidence is a number from 0 to 1", details={"field": "confidence"})
    if not EARLIEST <= item.detected_at <= LATEST:
        raise InvalidInputError("detected_at lies outside 1970-9000", details={"field": "detected_at"})
    if not (0 < item.frame_width <= LARGEST_FRAME and 0 < item.frame_height <= LARGEST_FRAME):
        raise InvalidInputError(f"A frame's sides are 1 to {LARGEST_FRAME} pixels", details={"field": "frame"})
    if item.width <= 0 or item.height <= 0:
        raise BoundingBoxValidationError("The bounding box has no area", details={"field": "bbox"})
    if min(item.x, item.y) < 0 or item.x + item.width > item.frame_width or item.y + item.height > item.frame_height:
        raise BoundingBoxValidationError("The bounding box lies outside its frame", details={"field": "bbox"})
