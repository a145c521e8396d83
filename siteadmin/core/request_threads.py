"""Threads that serve requests for an event loop.

`loop.run_in_executor` does the same by two futures for each call, locks and callbacks between them; that costs a tenth
of a small request's time.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class RequestThreads:
    """So many threads, started with the first request; further requests wait, first come first served."""

    def __init__(self, number: int) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"request_{place}", daemon=True) for place in range(number)
        ]
        self._have_started = False

    async def run(self, function: Callable[[], T]) -> T:
        """Call the function in one of the threads and give what it gives, or raise what it raises."""
        if not self._have_started:
            self._have_started = True
            for thread in self._threads:
                thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, future, function))
        return await future

    def stop(self) -> None:
        """Let each thread end after what it is at, without waiting for it."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, function = job
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
                error = raised
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(_settle, future, result, error)
            # Nothing of a request may outlive it here until the next one comes.
            del job, loop, future, function, result, error


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
