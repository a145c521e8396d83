"""What is told over the kept connections."""

from alerts.channels.mqtt.topics import CameraFacts
from cameras.models import Camera
from events.models import Event
from events.services.pictures import event_picture


def facts_of_camera(camera_id: str) -> CameraFacts:
    """Give how a camera stands now: whether an event is open, and its newest one."""
    camera = Camera.objects.get_by_id(camera_id)
    if camera is None or camera.deleted_at is not None:
        return CameraFacts(camera_id=camera_id, exists=False)
    events = Event.objects.visible().of_camera(camera.pk)
    newest = events.with_picture().first()
    return CameraFacts(
        camera_id=camera.pk,
        name=camera.name,
        motion=events.open().exists(),
        event=None
        if newest is None
        else {
            "id": newest.pk,
            "started_at": newest.started_at.isoformat(),
            "ended_at": newest.ended_at.isoformat(),
            "summary": newest.summary,
            "object_types": newest.object_types,
            "risk_score": newest.risk_score,
            "risk_level": newest.risk_level,
        },
        picture=None if newest is None else event_picture(newest, annotated=True),
    )
