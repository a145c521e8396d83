"""The id of the request that caused something, carried by Celery's messages into the log lines of every task.

A task that asks for the next step hands the id on, so one upload can be followed to its last delivery. What beat or
the sweeper asks for has no request behind it; its lines carry the task's own id alone. Where a worker takes another
row than the message names, the row itself says which request brought it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery import signals

from siteadmin.core import metrics

HEADER = "request_id"
SENT_AT = "sent_at"
"""When the message was sent, in seconds; a clock that differs between machines shifts the wait it gives."""
LONGEST_ID = 64
"""Signs of a request's id; the middleware takes no longer one."""


def current_request_id() -> str:
    """Give the id of the request that is at work here; "" where there is none."""
    return str(structlog.contextvars.get_contextvars().get(HEADER) or "")


@contextmanager
def caused_by(request_id: str) -> Iterator[None]:
    """Log, and send messages, under this request's id ("": none) instead of the one that is at work."""
    before = current_request_id()
    _bind(request_id)
    try:
        yield
    finally:
        _bind(before)


def _bind(request_id: str) -> None:
    if request_id:
        structlog.contextvars.bind_contextvars(**{HEADER: request_id})
    else:
        structlog.contextvars.unbind_contextvars(HEADER)


@signals.before_task_publish.connect
def send_along(headers: dict[str, Any], **_: Any) -> None:
    """Put the id of the request, or of the task, that is at work here into the message."""
    request_id = current_request_id()
    if request_id:
        headers[HEADER] = request_id
    headers[SENT_AT] = time.time()


@signals.task_prerun.connect
def bind_task(task: Any, task_id: str, **_: Any) -> None:
    """Name the task, and the request that caused it, in all that is logged until it ends."""
    bound = {"task": task.name, "task_id": task_id}
    request_id = getattr(task.request, HEADER, None)
    if request_id:
        bound[HEADER] = request_id
    sent_at = getattr(task.request, SENT_AT, None)
    if sent_at is not None:
        metrics.TASK_WAIT.labels(task.name).observe(max(time.time() - sent_at, 0.0))
    task.request.began_at = time.monotonic()
    task.request.log_tokens = structlog.contextvars.bind_contextvars(**bound)


@signals.task_postrun.connect
def unbind_task(task: Any, state: str | None = None, **_: Any) -> None:
    """Give the log its former context back: a thread of the worker runs other tasks after this one."""
    began_at = getattr(task.request, "began_at", None)
    if began_at is not None:
        metrics.TASK_LATENCY.labels(task.name, state or "UNKNOWN").observe(time.monotonic() - began_at)
    tokens = getattr(task.request, "log_tokens", None)
    if tokens:
        structlog.contextvars.reset_contextvars(**tokens)
