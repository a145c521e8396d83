"""A scriptable HTTP/1.1 receiver on loopback, spoken by hand so that every byte and delay is the test's own.

Answers are taken in order from the script; when it is used up, `default` answers. Each request is recorded
with its raw bytes and its arrival time before the answer begins.
"""

import contextlib
import http
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case; of a repeated header the last value."""
    body: bytes
    raw: bytes
    """Request line, headers and body exactly as sent."""
    at: float
    """Monotonic seconds of the request's last byte."""
    connection: int
    """The same number for requests that shared a connection."""


@dataclass(frozen=True)
class Answer:
    """One scripted answer; the first of the special behaviours that is set applies."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the first byte; ends early when the server stops."""
    gate: threading.Event | None = None
    """What to wait for before the first byte; the test opens it."""
    drip: float | None = None
    """Seconds between single bytes of the whole answer, head included."""
    reset: bool = False
    """Reset the connection instead of answering."""
    hang: bool = False
    """Say nothing until the client goes or the server stops."""
    raw: bytes | None = None
    """These bytes instead of a well-formed answer; the connection is closed after them."""
    close: bool = False
    """Close the connection after the answer, though it was to be kept."""

    def encode(self) -> bytes:
        """Give the answer's bytes."""
        if self.raw is not None:
            return self.raw
        phrase = http.HTTPStatus(self.status).phrase
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {phrase}\r\n{head}\r\n".encode("latin-1") + self.body


class HttpServer:
    """The receiver; use as a context manager."""

    def __init__(
        self,
        *answers: Answer,
        default: Answer | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.requests: list[Received] = []
        self.default = default or Answer()
        self._script = list(answers)
        self._tls = tls
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.connections_made = 0
        self.host, self.port = self._listener.getsockname()[:2]

    @property
    def url(self) -> str:
        """The receiver's base URL, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def script(self, *answers: Answer) -> None:
        """Add answers to the end of the script."""
        with self._changed:
            self._script.extend(answers)

    def wait_for(self, count: int, *, timeout: float = 10.0) -> list[Received]:
        """Give the requests once there are `count` of them; AssertionError after the timeout."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.requests) >= count, timeout)
            assert came, f"{len(self.requests)} requests came, {count} were awaited"
            return list(self.requests)

    @property
    def open_connections(self) -> int:
        """Count the connections that are open now."""
        with self._changed:
            return len(self._connections)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, drop every connection and wait for the threads."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type] # any callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections_made += 1
                number = self.connections_made
                self._connections.add(connection)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                plain, connection = connection, self._tls.wrap_socket(connection, server_side=True)
                with self._changed:
                    self._connections.discard(plain)
                    self._connections.add(connection)
            while not self._stopping.is_set():
                received = self._read_request(connection, number)
                if received is None:
                    return
                with self._changed:
                    answer = self._script.pop(0) if self._script else self.default
                    self.requests.append(received)
                    self._changed.notify_all()
                if not self._give(connection, answer) or received.headers.get("connection") == "close":
                    return
        except OSError:
            return
        finally:
            connection.close()
            with self._changed:
                self._connections.discard(connection)

    def _read_request(self, connection: socket.socket, number: int) -> Received | None:
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            buffer += chunk
        head, _, body = buffer.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            body += chunk
        method, target, _ = request_line.split(" ", 2)
        raw = head + b"\r\n\r\n" + body
        return Received(method, target, headers, body, raw, time.monotonic(), number)

    def _give(self, connection: socket.socket, answer: Answer) -> bool:
        """Send one answer; False where the connection ends with it."""
        if answer.delay:
            self._stopping.wait(answer.delay)
        if answer.gate is not None:
            answer.gate.wait()
        if answer.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if answer.hang:
            with contextlib.suppress(OSError):
                connection.recv(1)
            return False
        if answer.drip is None:
            connection.sendall(answer.encode())
        else:
            for byte in answer.encode():
                connection.sendall(bytes([byte]))
                if self._stopping.wait(answer.drip):
                    return False
        return answer.raw is None and not answer.close


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Give a loopback port on which nothing listens and that nobody else is given meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
