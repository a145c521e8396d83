"""What beat asks for, and how often."""

from typing import Any


def _every(seconds: float, task: str, *, expires: float | None = None) -> dict[str, Any]:
    # What was asked for while every worker was busy does not pile up, and nobody reads the results.
    options = {"expires": max(seconds, 10) if expires is None else expires, "ignore_result": True}
    return {"task": task, "schedule": seconds, "options": options}


CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": _every(2, "core.sweep"),
    "close_idle": _every(2, "events.close_idle"),
    "draw_demo": _every(3, "siteadmin.draw_demo", expires=3),
    "release_waiting": _every(5, "cameras.release_waiting"),
    "switch_modes": _every(5, "alerts.switch_modes"),
    "mark_silent": _every(10, "cameras.mark_silent"),
    "rewrite_search": _every(10, "events.rewrite_search"),
    "forget_changes": _every(60, "core.forget_changes"),
    "remove_exports": _every(300, "events.remove_exports"),
    "remove_old": _every(3600, "events.remove_old"),
    "forget_messages": _every(3600, "alerts.forget_messages"),
    "forget_old": _every(3600, "core.forget_old"),
}
