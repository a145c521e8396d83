"""How the whole site is: each part ok, degraded or down, with the reason; bounded in time, whatever hangs."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from celery import current_app
from django.conf import settings
from django.utils import timezone
from redis.exceptions import RedisError

from alerts.models import MqttConnection
from cameras.choices import CameraStatus
from cameras.detector_choice import configured_detectors
from cameras.models import Camera
from events.detectors import registry as detectors
from siteadmin.core import heartbeat
from siteadmin.core.breaker import BreakerView, Position, state_of
from siteadmin.core.models import BreakerState, DeadLetter
from siteadmin.core.pipeline import BROKER_ERRORS, BrokerUnavailableError, Step, queued
from siteadmin.core.sweeper import WAITING
from siteadmin.health import database_problem, storage_problem

T = TypeVar("T")

BROKER_SECONDS = 5.0
"""How long the broker and the workers may take to answer altogether."""
WORKER_SECONDS = 1.0
"""How long workers are listened for; all that are alive answer within it."""
BEAT_SILENT = timedelta(seconds=20)
"""Beat asks for a sweep every 2 s; several in a row may be late on a busy machine."""
LONG_QUEUE = 1000
LITTLE_SPACE, NO_SPACE = 0.05, 0.01
"""Shares of the disk that are free."""
MOST_CAMERAS = 1000


class State(StrEnum):
    """How a part is; in the order of their weight."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


Part = dict[str, Any]


def read_status() -> dict[str, Any]:
    """Give the state of every part, and the worst of them."""
    parts: dict[str, Part] = {"database": _part(State.DOWN, database_problem())}
    parts |= _broker_parts()
    parts["detector"] = _detector_part()
    parts["analyzer"] = _analyzer_part()
    parts["breakers"] = _breaker_part()
    parts["watcher"] = _watcher_part()
    parts["mqtt"] = _mqtt_part()
    parts["storage"] = _storage_part()
    parts["cameras"] = _camera_part()
    return {"state": _worst(part["state"] for part in parts.values()), "checked_at": timezone.now(), **parts}


def _part(state: State, reason: str, **more: Any) -> Part:
    """Give a part that is in this state for this reason, or well where there is none."""
    return {"state": state if reason else State.OK, "reason": reason, **more}


def _worst(states: Iterable[State]) -> State:
    order = list(State)
    return max(states, key=order.index, default=State.OK)


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Do what may hang in a thread that is left behind then; TimeoutError after so long."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="status")
    try:
        return pool.submit(work).result(timeout=seconds)
    except WaitedTooLongError as error:
        raise TimeoutError("no answer in time") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _broker_parts() -> dict[str, Part]:
    rows = {step: repository.waiting_count() for step, repository in WAITING.items()}
    try:
        queues, workers, beat_at = _within(BROKER_SECONDS, _ask_broker)
    except (BrokerUnavailableError, TimeoutError, RedisError, *BROKER_ERRORS):
        unknown = "Unknown while the broker does not answer"
        return {
            "broker": _part(State.DOWN, "Redis does not answer"),
            "workers": _part(State.DEGRADED, unknown, workers=[]),
            "beat": _part(State.DEGRADED, unknown, last_seen_at=None),
            "queues": _queue_part({}, rows),
        }
    return {
        "broker": _part(State.DOWN, ""),
        "workers": _worker_part(workers),
        "beat": _beat_part(beat_at, has_workers=bool(workers)),
        "queues": _queue_part(queues, rows),
    }


def _ask_broker() -> tuple[dict[Step, int], dict[str, list[str]], datetime | None]:
    """Give the messages of each step, the queues that each worker takes, and when beat was last seen."""
    queues = {step: queued(step) for step in Step}
    answers: dict[str, Any] = current_app.control.inspect(timeout=WORKER_SECONDS).active_queues() or {}
    workers = {name: sorted(queue["name"] for queue in taken) for name, taken in answers.items()}
    return queues, workers, heartbeat.last_beat()


def _worker_part(workers: dict[str, list[str]]) -> Part:
    wanted = {step.queue for step in Step} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    untaken = sorted(wanted - {queue for taken in workers.values() for queue in taken})
    reason = "" if not untaken else f"No worker takes {', '.join(untaken)}" if workers else "No worker answers"
    found = [{"name": name, "queues": taken} for name, taken in sorted(workers.items())]
    return _part(State.DOWN, reason, workers=found)


def _beat_part(seen_at: datetime | None, *, has_workers: bool) -> Part:
    is_fresh = seen_at is not None and timezone.now() - seen_at < BEAT_SILENT
    if is_fresh:
        return _part(State.OK, "", last_seen_at=seen_at)
    if not has_workers:
        return _part(State.DEGRADED, "Unknown while no worker runs what it asks for", last_seen_at=seen_at)
    return _part(State.DOWN, f"Silent for over {BEAT_SILENT.total_seconds():.0f} s", last_seen_at=seen_at)


def _queue_part(queues: dict[Step, int], rows: dict[Step, int]) -> Part:
    """Tell of each step how many messages the broker has (None: unknown) and how many rows wait."""
    found = [{"name": step.queue, "queued": queues.get(step), "waiting": rows.get(step, 0)} for step in Step]
    long = [f"{rows[step]} wait for {step.queue}" for step in Step if rows.get(step, 0) > LONG_QUEUE]
    letters = DeadLetter.objects.open_count()
    reasons = [*long, *([f"{letters} dead letters"] if letters else [])]
    return _part(State.DEGRADED, "; ".join(reasons), queues=found, dead_letters=letters)


def _detector_part() -> Part:
    """Tell of every detector that is configured; the site's own counts for all, others for cameras that name them."""
    cameras = Camera.objects.count_by_detector()
    names = configured_detectors()
    found = []
    for name in dict.fromkeys([*names, *(name for name in cameras if name)]):
        is_default = name == settings.DETECTOR
        number = cameras.get(name, 0) + (cameras.get("", 0) if is_default else 0)
        problem = detectors.problem_of(name) if name in names else "It is not configured"
        view = state_of(detectors.breaker_of(name)) if name in names else None
        part = _part(State.DOWN, problem) if problem or view is None else _breaker_state(view)
        found.append({"name": name, **part, "default": is_default, "cameras": number})
    used = [one for one in found if one["default"] or one["cameras"]]
    state = _worst(one["state"] for one in used)
    reason = "; ".join(f"{one['name']}: {one['reason']}" for one in used if one["reason"])
    if state is State.DOWN and not any(one["default"] and one["state"] is State.DOWN for one in used):
        state = State.DEGRADED  # some cameras' alone
    return {"state": state, "reason": reason, "detectors": found}


def _analyzer_part() -> Part:
    """Tell of the configured analyzer; the built-in one needs nothing outside, and scores when the other fails."""
    views = [view for view in _breakers() if view.name.startswith("analyzer:")]
    parts = [_breaker_state(view) for view in views] if settings.ANALYZER != "builtin" else []
    reason = "; ".join(part["reason"] for part in parts if part["reason"])
    return _part(State.DEGRADED, reason, name=settings.ANALYZER)


def _breaker_part() -> Part:
    views = _breakers()
    held = [view.name for view in views if view.position is not Position.CLOSED]
    found = [
        {
            "name": view.name,
            "position": view.position.value,
            "failures": view.failures,
            "retry_after": view.retry_after,
            "last_error": view.last_error,
        }
        for view in views
    ]
    return _part(State.DEGRADED, f"Open: {', '.join(held)}" if held else "", breakers=found)


def _breakers() -> list[BreakerView]:
    return [state_of(row.pk) for row in BreakerState.objects.get_all()]


def _breaker_state(view: BreakerView) -> Part:
    """Judge what stands behind a breaker."""
    if view.position is Position.CLOSED:
        reason = f"{view.failures} failures in a row: {view.last_error}" if view.failures else ""
        return _part(State.DEGRADED, reason)
    return _part(State.DOWN, f"Not asked after {view.failures} failures in a row: {view.last_error}")


def _mqtt_part() -> Part:
    """Tell of the kept connection of each MQTT channel that is on."""
    kept = MqttConnection.objects.of_channels()
    found = [
        {"channel": one.channel.name, "connected": one.is_connected, "since": one.since, "reason": one.problem}
        for one in kept
    ]
    reason = "; ".join(f"{one['channel']}: {one['reason']}" for one in found if one["reason"])
    return _part(State.DEGRADED, reason, connections=found)


def _storage_part() -> Part:
    problem = storage_problem()
    try:
        usage = shutil.disk_usage(settings.VAR)
    except OSError as error:
        return _part(State.DOWN, problem or f"The disk cannot be read ({error.strerror})")
    free = usage.free / usage.total if usage.total else 0.0
    sizes = {"free_bytes": usage.free, "total_bytes": usage.total}
    if problem or free < NO_SPACE:
        return _part(State.DOWN, problem or "The disk is full", **sizes)
    return _part(State.DEGRADED, f"{free:.0%} of the disk are free" if free < LITTLE_SPACE else "", **sizes)


def _watcher_part() -> Part:
    """Tell when the folder watcher was last seen, and what it left in the folders."""
    try:
        life = _within(BROKER_SECONDS, heartbeat.watcher_life)
    except (TimeoutError, RedisError, OSError):
        return _part(State.DEGRADED, "Unknown while Redis does not answer", last_seen_at=None, left_alone={})
    if life is None:
        return _part(State.DEGRADED, "Never seen", last_seen_at=None, left_alone={})
    is_late = timezone.now() - life.seen_at > heartbeat.WATCHER_SILENT
    reason = f"Silent for over {heartbeat.WATCHER_SILENT.total_seconds():.0f} s" if is_late else ""
    return _part(State.DOWN, reason, last_seen_at=life.seen_at, left_alone=life.left)


def _camera_part() -> Part:
    now = timezone.now()
    cameras = Camera.objects.active().order_by("name", "pk")[:MOST_CAMERAS]
    found = [
        {
            "id": camera.pk,
            "name": camera.name,
            "status": camera.status,
            "last_seen_at": camera.last_seen_at,
            "silent_seconds": None if camera.last_seen_at is None else (now - camera.last_seen_at).total_seconds(),
            "offline_after_seconds": camera.offline_after_seconds,
        }
        for camera in cameras
    ]
    silent = [camera.name for camera in cameras if camera.status in (CameraStatus.OFFLINE, CameraStatus.ERROR)]
    reason = f"Silent: {', '.join(silent[:10])}" + (f" and {len(silent) - 10} more" if len(silent) > 10 else "")
    return _part(State.DEGRADED, reason if silent else "", cameras=found)
