"""Server-sent events (WHATWG HTML, 9.2) of what changes: one reader a process, any number of listeners.

The reader asks the database twice a second while anybody listens, and tells each listener what it may hear. Whoever
comes back with `Last-Event-ID` is first told what it missed. A listener that reads too slowly is let go; it comes
back the same way, so that nobody's slowness costs memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from time import monotonic
from typing import TypeVar

import structlog
from django.db import DatabaseError, connections

from siteadmin.core.change_repositories import Position
from siteadmin.core.models import Change

logger = structlog.get_logger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.5
DATABASE_AWAY_SECONDS = 2.0
SILENCE_SECONDS = 15
"""Something is sent at least this often, so that neither a proxy nor the client takes the line for dead."""
ASK_AGAIN_SECONDS = 60
"""How long somebody may listen before it is asked anew whether they may."""
BATCH = 500
BACKLOG = 1000
"""Messages that may wait for a listener."""
KEEP_FOR = timedelta(days=1)
"""How far back a listener may resume."""
FORGET_AT_ONCE = 10_000
CLIENT_WAITS_MS = 2000
"""When a client whose line broke tries again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One change, ready to be sent."""

    position: Position
    topic: str
    camera_id: str
    line: bytes

    @classmethod
    def of(cls, change: Change, *, topic: str, data: bytes) -> "Message":
        """Give what listeners get of this change; `data` is one line."""
        position = Position(change.transaction, change.pk)
        return cls(position, topic, change.camera_id, b"id: %s\nevent: %s\ndata: %s\n\n" % (
            str(position).encode(), topic.encode(), data
        ))  # fmt: skip


Describe = Callable[[Sequence[Change]], list[Message]]
"""Makes messages of changes; may leave out what a later one of the same batch says too."""
Wanted = Callable[[Message], bool]


@dataclass(eq=False, slots=True)
class _Listener:
    position: Position
    waiting: "asyncio.Queue[Message]" = field(default_factory=lambda: asyncio.Queue(BACKLOG))
    is_lost: bool = False


class Hub:
    """The reader of one event loop, and who listens to it."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._listeners: set[_Listener] = set()
        self.audience = 0
        """Who listens at this moment, those who are still told what they missed included."""
        self._position: Position | None = None
        self._reading: asyncio.Task[None] | None = None

    async def listen(
        self, *, since: Position | None, wanted: Wanted, is_still_allowed: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """Give what is sent to one listener, from this position on or from now, until it may not listen any more.

        `reset` as the first event says that what came after `since` is not known any more: read the lists anew.
        """
        self.audience += 1
        listener: _Listener | None = None
        try:
            now = await self._started()
            yield f"retry: {CLIENT_WAITS_MS}\n\n".encode()
            if since is not None and not await _in_thread(partial(Change.objects.reaches, since)):
                yield f"id: {now}\nevent: reset\ndata: {{}}\n\n".encode()
                since = None
            elif since is None:
                yield f"id: {now}\n\n".encode()  # whoever loses the line before the first change resumes here
            listener = _Listener(since or now)
            async for message in self._missed(listener):
                if wanted(message):
                    yield message.line
            async for line in _told(listener, wanted=wanted, is_still_allowed=is_still_allowed):
                yield line
        finally:
            self.audience -= 1
            if listener is not None:
                self._listeners.discard(listener)

    async def _missed(self, listener: _Listener) -> AsyncIterator[Message]:
        """Give what came after the listener's position, then let the reader tell it the rest."""
        while True:
            goal = self._position or listener.position
            position = listener.position
            changes = await _in_thread(partial(Change.objects.after, position, limit=BATCH))
            for message in await _in_thread(partial(self._describe, changes)):
                yield message
            if changes:
                listener.position = Position(changes[-1].transaction, changes[-1].pk)
            if len(changes) < BATCH:
                listener.position = max(listener.position, goal)
                # Nothing is awaited in between: the reader cannot have gone on.
                if listener.position >= (self._position or goal):
                    self._listeners.add(listener)
                    return

    async def _started(self) -> Position:
        """See that the reader runs, and give where it stands."""
        if self._reading is None or self._reading.done():
            self._position = await _in_thread(Change.objects.end)
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
        assert self._position is not None  # set above, or by the reader that runs
        return self._position

    async def _read(self) -> None:
        """Read on while somebody listens."""
        idle_since = monotonic()
        while self.audience or monotonic() - idle_since < SILENCE_SECONDS:
            if self.audience:
                idle_since = monotonic()
            try:
                is_full = await self._read_once()
            except DatabaseError as error:
                logger.warning("stream_cannot_read", error=str(error))
                await asyncio.sleep(DATABASE_AWAY_SECONDS)
                continue
            if not is_full:
                await asyncio.sleep(POLL_SECONDS)

    async def _read_once(self) -> bool:
        assert self._position is not None  # `_started` set it
        position = self._position
        changes = await _in_thread(partial(Change.objects.after, position, limit=BATCH))
        if not changes:
            return False
        messages = await _in_thread(partial(self._describe, changes))
        self._position = Position(changes[-1].transaction, changes[-1].pk)
        for listener in self._listeners:
            for message in messages:
                if listener.waiting.full():
                    listener.is_lost = True
                    break
                listener.waiting.put_nowait(message)
        return len(changes) == BATCH


async def _told(listener: _Listener, *, wanted: Wanted, is_still_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Give what the reader tells this listener, and a sign of life where there is nothing to tell."""
    asked_at = monotonic()
    while not listener.is_lost:
        try:
            message = await asyncio.wait_for(listener.waiting.get(), SILENCE_SECONDS)
        except TimeoutError:
            yield b": still here\n\n"
        else:
            if message.position > listener.position and wanted(message):
                yield message.line
        if monotonic() - asked_at > ASK_AGAIN_SECONDS:
            asked_at = monotonic()
            if not await _in_thread(is_still_allowed):
                return


async def _in_thread(work: Callable[[], T]) -> T:
    """Ask the database beside the event loop; the connection goes back to the pool at once."""

    def ask() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(ask)


@cache
def hub_of(describe: Describe) -> Hub:
    """Give the process's one hub for these messages."""
    return Hub(describe)


def forget_old() -> int:
    """Remove changes that are too old to resume from; gives how many."""
    return Change.objects.forget(older_than=KEEP_FOR, limit=FORGET_AT_ONCE)
