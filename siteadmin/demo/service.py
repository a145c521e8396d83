"""The demo: two drawn cameras, so that a newcomer sees real events before the first real camera uploads.

It ends ten minutes after it began or with the first real picture, reaches the inbox alone
(`alerts.services.evaluation`), and goes away whole, by command or by one click.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.models import AlertRule, Channel
from alerts.services.rule_changes import delete_rule
from cameras.models import Camera, Snapshot
from events.services.retention import remove_cameras
from siteadmin.core.results import register_result

LASTS = timedelta(minutes=10)
PERIOD = 60
"""Seconds from one visit's start to the next."""
VISIT = 18
"""Seconds that a visit lasts; a picture every beat."""
CAMERAS: dict[str, tuple[str, int]] = {
    "demo_front_door": ("Demo Front Door", 0),
    "demo_driveway": ("Demo Driveway", 30),
}
"""By id: its name, and by how many seconds its visits come after the minute."""
RULE_NAME = "Demo: a person is seen"


@register_result
@dataclass(slots=True, frozen=True)
class DemoResult:
    """What one beat of the demo drew: the ids of the cameras that sent a picture."""

    drawn: tuple[str, ...] = ()


def create_demo(*, inbox: Channel) -> None:
    """Make the two cameras, their rule and its way to the inbox."""
    with transaction.atomic():
        for camera_id, (name, _) in CAMERAS.items():
            Camera.objects.save(Camera(id=camera_id, name=name, folder_path=camera_id, demo=True))
        rule = AlertRule(
            name=RULE_NAME,
            description="Goes away with the demo.",
            severity="medium",
            camera_ids=list(CAMERAS),
            object_types=["person"],
            min_confidence=0.5,
            cooldown_seconds=120,
            demo=True,
        )
        AlertRule.objects.save(rule)
        rule.channels.add(inbox)


def demo_goes_on(*, now: datetime) -> bool:
    """Say whether the demo's cameras still send pictures."""
    return bool(_senders(now=now))


def _senders(*, now: datetime) -> Sequence[Camera]:
    cameras = Camera.objects.demo_created_after(now - LASTS)
    return [] if not cameras or Snapshot.objects.has_real() else cameras


def draw_due_pictures(*, now: datetime | None = None) -> DemoResult:
    """Drop one picture into the folder of each demo camera that somebody walks past now; nothing once it ended."""
    # Every process that knows this task would load OpenCV otherwise.
    from siteadmin.demo.scene import SCENES, draw_picture, encode_picture  # noqa: PLC0415

    now = now or timezone.now()
    drawn = []
    for camera in _senders(now=now):
        _, offset = CAMERAS[camera.pk]
        second = ((now - camera.created_at).total_seconds() - offset) % PERIOD
        if (now - camera.created_at).total_seconds() >= offset and second < VISIT:
            picture = draw_picture(SCENES[camera.pk], progress=second / VISIT, seed=int(now.timestamp()))
            _drop(
                camera,
                name=f"MDAlarm_{now.astimezone(camera.zone_info):%Y%m%d-%H%M%S}.jpg",
                data=encode_picture(picture),
            )
            drawn.append(camera.pk)
    return DemoResult(drawn=tuple(drawn))


def _drop(camera: Camera, *, name: str, data: bytes) -> None:
    folder = Path(settings.CAMERA_ROOT) / camera.folder_path / "snap"
    folder.mkdir(parents=True, exist_ok=True)
    growing = folder / f".{name}"
    growing.write_bytes(data)
    growing.rename(folder / name)


def remove_demo() -> int:
    """Take away the demo's cameras with all that came of them, its rule and its folders; give the cameras' number.

    Safe to run twice; the folders go last, so that a picture that arrives meanwhile goes with them.
    """
    cameras = Camera.objects.demo_created_after(None)
    for rule in AlertRule.objects.of_demo():
        delete_rule(rule.pk)
    remove_cameras([camera.pk for camera in cameras])
    for camera in cameras:
        rmtree(Path(settings.CAMERA_ROOT) / camera.folder_path, ignore_errors=True)
    return len(cameras)
