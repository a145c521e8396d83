"""Writes a made-up history into the database."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Model

from alerts.models import Alert, AlertRule, Channel, Delivery
from cameras.models import Camera, Snapshot, Zone
from events.models import CameraSearch, Detection, Event
from siteadmin.core.bulk import copy_rows, take_ids, unheard, without_indexes
from siteadmin.history.made_up import (
    ALERT_FIELDS,
    CAMERA_PLACES,
    DELIVERY_FIELDS,
    DETECTION_FIELDS,
    EVENT_FIELDS,
    SNAPSHOT_FIELDS,
    ZONE_NAMES,
    MadeCamera,
    Outline,
    make_batches,
)

BATCH = 50_000
"""Events held in memory at once."""
TABLES: tuple[type[Model], ...] = (Event, Detection, Snapshot, Alert, Delivery)
RULE_NAME = "History"


@dataclass(slots=True, frozen=True)
class History:
    """What was written."""

    cameras: int
    events: int
    detections: int
    snapshots: int
    alerts: int


def has_data() -> bool:
    """Tell whether the database holds anything that a camera or a person might miss."""
    return any(model._default_manager.exists() for model in (Snapshot, Event, Detection, Alert))


def make_history(*, events: int, seed: int, until: datetime, span: timedelta) -> History:
    """Write that many events, evenly over the span that ends then, with all that belongs to them; one transaction.

    An empty database is loaded without its indexes, which takes a fifth of the time.
    """
    with transaction.atomic():
        is_empty = not has_data()
        outline = _outline(events=events, seed=seed, until=until, span=span)
        counts = dict.fromkeys(TABLES, 0)
        with unheard(TABLES), without_indexes(TABLES) if is_empty else nullcontext():
            for batch in make_batches(outline, size=BATCH):
                # In an order in which each row finds what it refers to.
                copy_rows(Snapshot, SNAPSHOT_FIELDS, batch.snapshots)
                Event.objects.load(EVENT_FIELDS, batch.events)
                copy_rows(Detection, DETECTION_FIELDS, batch.detections)
                copy_rows(Alert, ALERT_FIELDS, batch.alerts)
                copy_rows(Delivery, DELIVERY_FIELDS, batch.deliveries)
                rows = (batch.events, batch.detections, batch.snapshots, batch.alerts, batch.deliveries)
                for model, written in zip(TABLES, rows, strict=True):
                    counts[model] += len(written)
        for model in TABLES:
            take_ids(model)
    _analyze()
    return History(
        cameras=len(outline.cameras),
        events=counts[Event],
        detections=counts[Detection],
        snapshots=counts[Snapshot],
        alerts=counts[Alert],
    )


def _outline(*, events: int, seed: int, until: datetime, span: timedelta) -> Outline:
    channel = Channel.objects.get_or_create_inbox()
    rule, _ = AlertRule.objects.get_or_create(name=RULE_NAME, defaults={"enabled": False})
    return Outline(
        events=events,
        seed=seed,
        until=until,
        span=span,
        cameras=[_camera(place) for place in CAMERA_PLACES],
        rule=(rule.pk, rule.name),
        channel=(channel.pk, channel.name),
        last_ids={
            kind: model._default_manager.aggregate(last=Max("pk"))["last"] or 0
            for kind, model in zip(("event", "detection", "snapshot", "alert", "delivery"), TABLES, strict=True)
        },
    )


def _camera(place: str) -> MadeCamera:
    """Give the camera at this place, made where it is missing; it keeps its history, whatever its age."""
    camera_id, name = f"history_{place.lower().replace(' ', '_')}", f"{place} (made up)"
    camera = Camera.objects.get_by_id(camera_id)
    if camera is None:
        camera = Camera.objects.save(Camera(id=camera_id, name=name, folder_path=camera_id, retention_days=0))
        # Its events are loaded with their words, so that none needs to be rewritten.
        CameraSearch.objects.save(CameraSearch(camera=camera, name=name))
        for zone in ZONE_NAMES:
            Zone.objects.save(Zone(camera=camera, name=zone, coordinates=[[0, 0], [1, 0], [1, 1]]))
    return MadeCamera(camera_id, camera.name, sorted(zone.pk for zone in Zone.objects.for_camera(camera_id)))


def _analyze() -> None:
    """Let the planner know what it has to do with; it would guess until autovacuum comes by."""
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
