"""The request's id in messages and tasks; the whole way is in tests/pipeline/test_services.py."""

from types import SimpleNamespace
from typing import Any

import structlog

from siteadmin.core.correlation import bind_task, caused_by, current_request_id, send_along, unbind_task


def bound() -> dict[str, Any]:
    return structlog.contextvars.get_contextvars()


def a_task(**request: Any) -> Any:
    return SimpleNamespace(name="events.detect", request=SimpleNamespace(**request))


def test_a_message_carries_the_id_of_the_request_that_sends_it() -> None:
    headers: dict[str, Any] = {}

    with structlog.contextvars.bound_contextvars(request_id="abc"):
        send_along(headers)

    assert headers["request_id"] == "abc"


def test_a_message_that_no_request_caused_carries_none() -> None:
    headers: dict[str, Any] = {}

    send_along(headers)

    assert list(headers) == ["sent_at"]


def test_a_task_logs_under_the_id_and_leaves_nothing_to_the_next() -> None:
    task = a_task(request_id="abc")

    bind_task(task, "7")
    during = dict(bound())
    unbind_task(task)

    assert during == {"request_id": "abc", "task": "events.detect", "task_id": "7"}
    assert bound() == {}


def test_a_task_without_a_request_logs_under_its_own_id_alone() -> None:
    task = a_task()

    bind_task(task, "7")
    during = dict(bound())
    unbind_task(task)

    assert during == {"task": "events.detect", "task_id": "7"}


def test_a_task_run_within_a_request_gives_the_requests_context_back() -> None:
    with structlog.contextvars.bound_contextvars(request_id="outer"):
        task = a_task(request_id="inner")
        bind_task(task, "7")
        unbind_task(task)

        assert bound() == {"request_id": "outer"}


def test_work_for_another_request_logs_under_its_id_and_gives_the_former_back() -> None:
    with structlog.contextvars.bound_contextvars(request_id="message"):
        with caused_by("row"):
            assert current_request_id() == "row"
        with caused_by(""):
            assert bound() == {}
        assert bound() == {"request_id": "message"}
    assert bound() == {}
