"""What tests of pictures and of the API see: stored pictures with detections, and clients with keys."""

import hashlib
import io
from typing import Any

from PIL import Image
from rest_framework.test import APIClient

from cameras.models import Camera, Snapshot
from events.models import Event
from siteadmin.core import media
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.factories import CameraFactory, DetectionFactory, EventFactory, SnapshotFactory

GREY = (90, 90, 90)
SIZE = (640, 480)


def picture_bytes(*, size: tuple[int, int] = SIZE, kind: str = "PNG", orientation: int | None = None) -> bytes:
    """Give a grey picture, by default lossless so that every pixel can be compared."""
    image = Image.new("RGB", size, GREY)
    exif = image.getexif()
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif)
    return file.getvalue()


def stored_snapshot(data: bytes | None = None, **fields: Any) -> Snapshot:
    """Make a snapshot whose file is in the storage."""
    content = data or picture_bytes()
    digest = hashlib.sha256(content).hexdigest()
    suffix = ".jpg" if content.startswith(b"\xff\xd8") else ".png"
    snapshot: Snapshot = SnapshotFactory(
        sha256=digest, file=media.store(io.BytesIO(content), sha256=digest, suffix=suffix), **fields
    )
    return snapshot


def seen_event(*, camera: Camera | None = None, data: bytes | None = None, box: Any = None, **fields: Any) -> Event:
    """Make an event with one detection on a stored picture."""
    camera = camera or CameraFactory()
    event: Event = EventFactory(camera=camera, **fields)
    snapshot = stored_snapshot(data, camera=camera, captured_at=event.started_at)
    event.key_detection = DetectionFactory(
        camera=camera, event=event, snapshot=snapshot, detected_at=event.started_at, **(box or {})
    )
    event.save(update_fields=["key_detection"])
    event.refresh_from_db()
    return event


def client_with_key(role: str, *, cameras: tuple[str, ...] = ()) -> APIClient:
    """Make a client with a key of this role, limited to these cameras where given."""
    _, key = create_api_key(name=f"{role} of {cameras}", role=Role(role), camera_ids=cameras)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client
