"""Requests in threads, for an event loop."""

import asyncio
import threading

import pytest

from siteadmin.core.request_threads import RequestThreads


async def gathered(threads: RequestThreads, number: int) -> tuple[int, set[str]]:
    """Call so many functions that wait for each other; gives how many ran, and where."""
    barrier, names = threading.Barrier(number), set()

    def work() -> None:
        barrier.wait(20)
        names.add(threading.current_thread().name)

    return len(await asyncio.gather(*(threads.run(work) for _ in range(number)))), names


def test_so_many_run_at_once() -> None:
    threads = RequestThreads(3)

    number, names = asyncio.run(gathered(threads, 3))
    threads.stop()

    assert (number, len(names)) == (3, 3)


def test_more_than_there_are_threads_wait_their_turn() -> None:
    order: list[int] = []
    threads = RequestThreads(1)

    async def ask() -> None:
        await asyncio.gather(*(threads.run(lambda number=number: order.append(number)) for number in range(20)))

    asyncio.run(ask())
    threads.stop()

    assert order == list(range(20))


def test_what_it_gives_and_what_it_raises_arrives() -> None:
    threads = RequestThreads(1)

    assert asyncio.run(threads.run(lambda: "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        asyncio.run(threads.run(lambda: 1 / 0))
    assert asyncio.run(threads.run(lambda: "still there")) == "still there"
    threads.stop()


def test_who_no_longer_waits_holds_up_nobody() -> None:
    threads = RequestThreads(1)
    release = threading.Event()

    async def leave() -> str:
        waiting = asyncio.ensure_future(threads.run(release.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        release.set()
        return await threads.run(lambda: "next")

    assert asyncio.run(leave()) == "next"
    threads.stop()


def test_threads_end_once_they_are_told() -> None:
    before = set(threading.enumerate())
    threads = RequestThreads(2)
    asyncio.run(threads.run(lambda: None))

    threads.stop()

    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
