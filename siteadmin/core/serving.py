"""Django under an ASGI server: each request in a thread of a small pool, endless answers on the event loop.

Django's own ASGI handler changes threads around middleware that is not async, and reads an answer made by a plain
iterator as a whole. Here one thread serves a request from its middleware to its last byte, as under WSGI, so that
its database connection stays with it; an answer whose iterator is async (the stream of changes) holds no thread.
See docs/decisions/0010-asgi.md.
"""

import asyncio
import io
import signal
import tempfile
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import IO, Any, cast

from django.conf import settings
from django.core import signals as django_signals
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from siteadmin.core.request_threads import RequestThreads

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Rest = Callable[[], Awaitable[None]]
"""What is left to be sent of an answer, once its thread is free."""

THREADS = 8
"""Requests that a process serves at once; streams come on top, since they hold no thread."""
BODY_SILENCE_SECONDS = 60
"""A client that sends nothing of its body for so long is given up; a camera on a slow line sends something."""
FORM_ROOM = 1024 * 1024
"""What a multipart form may have around its file."""
CHUNK = 256 * 1024


class ClientGone(Exception):  # noqa: N818 - nothing went wrong
    """The client hung up in the midst of its body."""


class TooLargeBody(io.RawIOBase):
    """Stands for a body over every limit, which is not read: Django answers 413 where somebody wants it."""

    def readable(self) -> bool:
        """It can be asked."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Refuse; raises RequestDataTooBig."""
        raise RequestDataTooBig(f"A body has at most {body_limit()} bytes")


class ThreadedHandler(BaseHandler):
    """The ASGI application: Django, served from threads."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=False)
        self._threads = RequestThreads(THREADS)
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's own life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        _on_stop(asyncio.get_running_loop(), self._stopping)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._threads.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            scope, body = await read_body(scope, receive)
        except ClientGone:
            return
        except TimeoutError:
            await send({"type": "http.response.start", "status": 408, "headers": [(b"Connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})
            return
        loop = asyncio.get_running_loop()
        rest = await self._threads.run(partial(self._serve, scope, body, receive, send, loop))
        if rest is not None:
            await rest()

    def _serve(
        self, scope: Message, body: IO[bytes], receive: Receive, send: Send, loop: asyncio.AbstractEventLoop
    ) -> Rest | None:
        """Serve the request in this thread; what needs no thread is left to the event loop."""
        set_script_prefix(scope.get("root_path", ""))
        django_signals.request_started.send(sender=self.__class__, scope=scope)
        with body:
            response = self._respond(scope, body)
        if isinstance(response, StreamingHttpResponse) and response.is_async:
            # Ends the request for the thread: its connection goes back before the stream begins.
            django_signals.request_finished.send(sender=self.__class__)
            return partial(_send_endless, response, receive, send, self._stopping)
        try:
            if isinstance(response, HttpResponse):
                return partial(_send_whole, _head(response), response.content, send)
            _send_parts(cast("StreamingHttpResponse", response), receive, send, loop)
        finally:
            response.close()
        return None

    def _respond(self, scope: Message, body: IO[bytes]) -> HttpResponseBase:
        try:
            request = ASGIRequest(scope, body)
        except UnicodeDecodeError:
            return HttpResponse(status=HTTPStatus.BAD_REQUEST)
        response = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = CHUNK
        return response


def body_limit() -> int:
    """Give the bytes beyond which no body is read at all; views and parsers have narrower limits."""
    return int(max(settings.MAX_UPLOAD_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + FORM_ROOM)


async def read_body(scope: Message, receive: Receive) -> tuple[Message, IO[bytes]]:
    """Read the body, beyond 2 MB into a file, and give it with a scope that says its length.

    Raises ClientGone, or TimeoutError for a client that stopped sending.

    So a slow client holds no thread, and one that sends in chunks need not say a length.
    """
    headers = dict(scope["headers"])
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        return scope, io.BytesIO()  # HTTP/1.1 knows no body without one of them (RFC 9112, 6.3)
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > body_limit():
        return scope, TooLargeBody()  # type: ignore[return-value]  # readable, which is all that is asked
    body: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115
    length, more = 0, True
    try:
        while more and length <= body_limit():
            message = await asyncio.wait_for(receive(), BODY_SILENCE_SECONDS)
            if message["type"] == "http.disconnect":
                raise ClientGone
            length += body.write(message.get("body", b""))
            more = message.get("more_body", False)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    if b"transfer-encoding" in headers:
        framing = (b"transfer-encoding", b"content-length")
        kept = [(name, value) for name, value in scope["headers"] if name not in framing]
        scope = {**scope, "headers": [*kept, (b"content-length", str(length).encode())]}
    if length > body_limit():
        body.close()
        return scope, TooLargeBody()  # type: ignore[return-value]
    return scope, body


def _head(response: HttpResponseBase) -> Message:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"Set-Cookie", cookie.OutputString().encode()) for cookie in response.cookies.values()]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _messages(response: StreamingHttpResponse) -> Iterator[Message]:
    yield _head(response)
    for part in response:
        yield {"type": "http.response.body", "body": part, "more_body": True}
    yield {"type": "http.response.body", "body": b""}


async def _send_whole(head: Message, content: bytes, send: Send) -> None:
    await send(head)
    await send({"type": "http.response.body", "body": content})


def _send_parts(response: StreamingHttpResponse, receive: Receive, send: Send, loop: asyncio.AbstractEventLoop) -> None:
    """Send what the response's iterator gives, from its thread, until it ends or the client leaves."""
    leaving = asyncio.run_coroutine_threadsafe(_until_gone(receive), loop)
    try:
        for message in _messages(response):
            if leaving.done():
                break
            asyncio.run_coroutine_threadsafe(send(message), loop).result()
    finally:
        leaving.cancel()


async def _send_endless(response: StreamingHttpResponse, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
    """Send what the response's async iterator gives until it ends, the client leaves or the server stops."""

    async def pump() -> None:
        await send(_head(response))
        async with aclosing(cast("AsyncGenerator[bytes]", response.streaming_content)) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    pumping, stop = asyncio.create_task(pump()), asyncio.create_task(stopping.wait())
    leaving = asyncio.create_task(_until_gone(receive))
    await asyncio.wait([pumping, leaving, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    leaving.cancel()
    if pumping.done():
        pumping.result()
    else:
        pumping.cancel()
        await asyncio.wait([pumping])
        await send({"type": "http.response.body", "body": b""})


def _on_stop(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Set `stopping` with the signal that ends the server, which else would wait for streams that never end."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals reach the main thread alone, so whoever runs the server elsewhere stops it otherwise
    for number in (signal.SIGTERM, signal.SIGINT):
        servers_own = signal.getsignal(number)

        def stop(received: int, frame: FrameType | None, servers_own: Any = servers_own) -> None:
            loop.call_soon_threadsafe(stopping.set)
            servers_own(received, frame)

        if callable(servers_own):
            signal.signal(number, stop)


async def _until_gone(receive: Receive) -> None:
    """Return once the client hung up; what is left of a request without a body is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
