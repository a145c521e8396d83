"""Processes on one port share the connections that come in a burst."""

import asyncio
import errno
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from siteadmin.core import listening
from siteadmin.core.listening import Loop
from tests.waiting import wait_until

BURST = 8


class Greeter(asyncio.Protocol):
    """Says its server's name to whoever connects."""

    def __init__(self, name: bytes, greeted: list[asyncio.Transport]) -> None:
        self.name, self.greeted = name, greeted

    def connection_made(self, transport: Any) -> None:
        transport.write(self.name)
        self.greeted.append(transport)


@contextmanager
def greeting(listener: socket.socket, name: bytes) -> Iterator[None]:
    """Greet on this socket from a loop of its own."""
    loop, ready = Loop(), threading.Event()
    greeted: list[asyncio.Transport] = []

    async def listen() -> Any:
        return await loop.create_server(lambda: Greeter(name, greeted), sock=listener, backlog=100)

    def run() -> None:
        server = loop.run_until_complete(listen())
        ready.set()
        loop.run_forever()
        server.close()
        for transport in greeted:
            transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(server.wait_closed())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def greet(listener: socket.socket, opened: ExitStack) -> socket.socket:
    return opened.enter_context(socket.create_connection(listener.getsockname(), timeout=20))


def test_a_burst_is_shared_by_all_who_listen(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.1)  # beyond what a loaded machine keeps a thread waiting
    with greeting(listener, b"a"), greeting(listener, b"b"), ExitStack() as opened:
        clients = [greet(listener, opened) for _ in range(BURST)]
        greeted = Counter(client.recv(1) for client in clients)

    assert set(greeted) == {b"a", b"b"}
    assert abs(greeted[b"a"] - greeted[b"b"]) <= 2


def test_one_alone_takes_them_all(listener: socket.socket) -> None:
    with greeting(listener, b"a"), ExitStack() as opened:
        clients = [greet(listener, opened) for _ in range(BURST)]

        assert [client.recv(1) for client in clients] == [b"a"] * BURST


def test_who_cannot_take_one_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RETRY_SECONDS", 0.01)
    failures = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]

    class Unlucky(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            if failures:
                raise failures.pop(0)
            return super().accept()

    with Unlucky() as listener, ExitStack() as opened:
        listener.bind(("127.0.0.1", 0))
        with greeting(listener, b"a"):
            assert greet(listener, opened).recv(1) == b"a"

    assert not failures


def test_after_the_end_nobody_is_taken(listener: socket.socket) -> None:
    with greeting(listener, b"a"):
        pass
    with ExitStack() as opened, greeting(listener, b"b"):
        client = greet(listener, opened)

        wait_until(lambda: client.recv(1) == b"b", timeout=20)
