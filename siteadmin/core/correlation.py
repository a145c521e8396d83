"""The id of the request that caused something, carried by Celery's messages into the log lines of every task.

A task that asks for the next step hands the id on, so one upload can be followed to its last delivery. What beat or
the sweeper asks for has no request behind it; its lines carry the task's own id alone.
"""

from typing import Any

import structlog
from celery import signals

HEADER = "request_id"


@signals.before_task_publish.connect
def send_along(headers: dict[str, Any], **_: Any) -> None:
    """Put the id of the request, or of the task, that is at work here into the message."""
    request_id = structlog.contextvars.get_contextvars().get(HEADER)
    if request_id:
        headers[HEADER] = request_id


@signals.task_prerun.connect
def bind_task(task: Any, task_id: str, **_: Any) -> None:
    """Name the task, and the request that caused it, in all that is logged until it ends."""
    bound = {"task": task.name, "task_id": task_id}
    request_id = getattr(task.request, HEADER, None)
    if request_id:
        bound[HEADER] = request_id
    task.request.log_tokens = structlog.contextvars.bind_contextvars(**bound)


@signals.task_postrun.connect
def unbind_task(task: Any, **_: Any) -> None:
    """Give the log its former context back: a thread of the worker runs other tasks after this one."""
    tokens = getattr(task.request, "log_tokens", None)
    if tokens:
        structlog.contextvars.reset_contextvars(**tokens)
