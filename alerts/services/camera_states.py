"""How cameras stand (motion, last event, picture), told to MQTT brokers and kept by these.

Each row remembers what its broker was told last; every few seconds what stands otherwise is told. So nothing that
changes is missed, whatever was lost meanwhile, only the newest state counts, and a broker that is away is tried until
it is back.
"""

from datetime import timedelta

import structlog

from alerts.channels.base import ChannelError
from alerts.channels.mqtt import Publication, publish
from alerts.channels.mqtt_topics import CameraFacts, camera_messages
from alerts.choices import ANNOUNCE_LEASE
from alerts.models import CameraState
from alerts.services.sending import breaker_of
from cameras.models import Camera
from events.models import Event
from events.services.pictures import event_picture
from siteadmin.core.exceptions import CircuitBreakerOpenError
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import backoff

logger = structlog.get_logger(__name__)

RETRY_BASE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)


def notice_changes() -> int:
    """Let brokers be told of what stands otherwise than they were told; gives how many cameras and brokers that is."""
    ids = CameraState.objects.ask_for_changed()
    for state_id in ids:
        dispatch(Step.ANNOUNCE, state_id)
    return len(ids)


def announce(state_id: int) -> bool:
    """Tell a broker how a camera stands; False where there was nothing to do or the broker did not take it."""
    token = CameraState.objects.claim(state_id, lease=ANNOUNCE_LEASE)
    state = None if token is None else CameraState.objects.get_claimed(state_id, token=token)
    if token is None or state is None:
        return False
    channel = state.channel
    if not channel.enabled:
        CameraState.objects.finish(state_id, token=token, told="", attempts=0)
        return False
    if not channel.is_readable:
        CameraState.objects.postpone(state_id, token=token, wait=LONGEST_PAUSE)
        return False
    # Looked up before the facts: what changes in between is told once more.
    standing = CameraState.objects.standing_of(state.camera_id)
    messages = camera_messages(channel.config, facts_of_camera(state.camera))
    breaker = breaker_of(channel)
    assert breaker is not None
    try:
        with breaker.guard() as call:
            try:
                publish(channel.config, [Publication(topic, payload, retain=True) for topic, payload in messages])
            except ChannelError as error:
                call.failed(str(error))
                raise
    except (ChannelError, CircuitBreakerOpenError) as error:
        logger.warning("camera_state_not_told", channel=channel.pk, camera=state.camera_id, error=str(error))
        pause = backoff(state.attempts, base=RETRY_BASE, cap=LONGEST_PAUSE)
        CameraState.objects.postpone(state_id, token=token, wait=pause)
        return False
    return CameraState.objects.finish(state_id, token=token, told=standing, attempts=0)


def facts_of_camera(camera: Camera) -> CameraFacts:
    """Give how a camera stands now: whether an event is open, and its newest one."""
    if camera.deleted_at is not None:
        return CameraFacts(camera_id=camera.pk, name=camera.name, exists=False)
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
