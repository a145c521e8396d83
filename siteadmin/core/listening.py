"""An event loop that takes connections one at a time, so that several processes on one port share them.

asyncio and uvloop take all that wait at once. Of processes that listen on one socket, the first to wake then has all
connections of a burst, and with them, while they are kept alive, all the work: the others' processors stand idle.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog
import uvloop

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.003
"""For how long a process leaves further connections to the others after it took one; they wake within it."""
RETRY_SECONDS = 1.0
"""When a process looks again that could take none: too many files are open, say."""
BACKLOG = 2048
"""Connections that wait in the kernel; it takes no more than net.core.somaxconn."""

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Loop(uvloop.Loop):
    """uvloop's, but for how it listens on a socket that it was given."""

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Listen; on a given socket without TLS as a `FairServer`."""
        sock = options.get("sock")
        if sock is None or options.get("ssl") is not None:
            return await super().create_server(protocol_factory, *args, **options)
        return FairServer(self, sock, protocol_factory, backlog=options.get("backlog") or BACKLOG)


class FairServer:
    """Takes a connection, then leaves the next ones to others for a moment."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        protocol_factory: ProtocolFactory,
        *,
        backlog: int,
    ) -> None:
        self._loop, self._listener, self._protocol_factory = loop, listener, protocol_factory
        self._opening: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(backlog)
        self._listen()

    def close(self) -> None:
        """Take no more connections; those that are open stay."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Return at once: whose connections are still open is for the caller to know."""

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the client has left
        except OSError as error:
            logger.exception("connection_not_taken", error=str(error))
            self._leave(RETRY_SECONDS)
            return
        opening = self._loop.create_task(self._open(connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        self._leave(PAUSE_SECONDS)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol_factory, connection)
        except OSError:  # the client has left
            connection.close()

    def _leave(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._listen)
