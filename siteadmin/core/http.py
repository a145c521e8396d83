"""The only outbound HTTP client: judged addresses, one deadline over the whole exchange, a cap on the answer.

No redirect is followed, no proxy taken from the environment, no cookie kept; certificates are verified.
Messages name the target without its credentials, path secrets or query.
"""

import base64
import os
import select
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from socket import gaierror, socket
from typing import Any, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

import httpcore

from siteadmin.core import net
from siteadmin.core.exceptions import ExternalServiceError

USER_AGENT = "siteadmin"
MAX_IDLE_CONNECTIONS = 20
IDLE_SECONDS = 15.0
"""Shorter than the idle timeout of common servers, so that they seldom close a connection under a request."""
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that the client sets itself."""


class OutboundErrorKind(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"  # by us: the URL or the address may not be used
    DNS = "dns"
    CONNECT = "connect"  # no connection, or it broke
    TLS = "tls"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"  # the answer was not HTTP


class OutboundError(ExternalServiceError):
    """There was no usable answer; the message holds no secret."""

    def __init__(self, kind: OutboundErrorKind, message: str, *, original_error: BaseException | None = None) -> None:
        super().__init__(message, original_error=original_error)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; a repeated header's values joined by commas."""
    body: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    timeout: timedelta,
    max_bytes: int,
    trusted: bool = False,
) -> HttpResponse:
    """Send one request and give the whole answer; OutboundError where there is none within `timeout`.

    `trusted` is for targets named in the settings: they may lie in private networks. A user and password
    in the URL are sent as HTTP Basic.
    """
    target = _Target.parse(url)
    lines = _header_lines(target, headers or {}, content)
    exchange = httpcore.Request(
        method.upper().encode("ascii"),
        httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        ),
        headers=lines,
        content=content,
        extensions={"timeout": {"pool": timeout.total_seconds()}},
    )
    _deadline.at = time.monotonic() + timeout.total_seconds()
    try:
        response = _pool(trusted=trusted).handle_request(exchange)
        try:
            body = _read_body(response, max_bytes=max_bytes, shown=target.shown)
        finally:
            response.close()
    except OutboundError:
        raise
    except _EXPECTED as error:
        kind, reason = _explain(error)
        raise OutboundError(kind, f"{target.shown}: {reason}", original_error=error) from error
    finally:
        _deadline.at = 0.0
    return HttpResponse(status=response.status, headers=_join_headers(response.headers), body=body)


def mask_url(url: str) -> str:
    """Give the URL without what may be secret: only scheme, host and port stay, and a mark that more follows."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "***"
    if not parts.scheme or not host:
        return "***"
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    return f"{shown}/***" if parts.path.strip("/") or parts.query else f"{shown}/"


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int | None
    path: str
    authorization: str | None
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        # urlsplit drops control characters without a word, so they are refused before.
        if any(sign <= " " or sign == "\x7f" for sign in url):
            raise OutboundError(OutboundErrorKind.REFUSED, "The URL holds spaces or control characters")
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna" if not _is_ascii(parts.hostname) else "ascii").decode()
        except ValueError as error:
            raise OutboundError(OutboundErrorKind.REFUSED, "The URL is not valid") from error
        if parts.scheme not in ("http", "https") or not host:
            raise OutboundError(OutboundErrorKind.REFUSED, "Only http:// and https:// URLs with a host can be called")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if parts.query:
            path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
        return cls(parts.scheme, host, port, path, _basic(parts), mask_url(url))


def _is_ascii(text: str | None) -> bool:
    return text is None or text.isascii()


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None and parts.password is None:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _header_lines(target: _Target, headers: Mapping[str, str], content: bytes) -> list[tuple[bytes, bytes]]:
    given = {name.lower() for name in headers}
    if given & OURS:
        raise OutboundError(
            OutboundErrorKind.REFUSED, f"These headers cannot be set: {', '.join(sorted(given & OURS))}"
        )
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = {"Host": host if target.port is None else f"{host}:{target.port}", "Accept-Encoding": "identity"}
    if "user-agent" not in given:
        lines["User-Agent"] = USER_AGENT
    if target.authorization and "authorization" not in given:
        lines["Authorization"] = target.authorization
    try:
        encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in (lines | dict(headers)).items()]
    except UnicodeEncodeError as error:
        raise OutboundError(OutboundErrorKind.REFUSED, "A header holds signs that HTTP cannot carry") from error
    # Written always: some servers refuse a POST without it.
    return [*encoded, (b"Content-Length", str(len(content)).encode())]


def _read_body(response: httpcore.Response, *, max_bytes: int, shown: str) -> bytes:
    too_large = OutboundError(OutboundErrorKind.TOO_LARGE, f"{shown}: the answer is over {max_bytes} bytes")
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _join_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


_EXPECTED = (
    OSError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


def _explain(error: BaseException) -> tuple[OutboundErrorKind, str]:
    """Give the kind of an expected failure and a reason in plain words."""
    kinds = OutboundErrorKind
    match error:
        case net.AddressRefusedError():
            return kinds.REFUSED, str(error)
        case gaierror():
            return kinds.DNS, "the name cannot be resolved"
        case httpcore.TimeoutException() | TimeoutError():
            return kinds.TIMEOUT, "no complete answer in time"
        case ssl.SSLCertVerificationError():
            return kinds.TLS, f"the certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return kinds.TLS, "no secure connection could be made"
        case httpcore.LocalProtocolError():
            return kinds.REFUSED, "the request holds signs that HTTP cannot carry"
        case httpcore.ProtocolError() | httpcore.UnsupportedProtocol():
            return kinds.PROTOCOL, "the answer is not valid HTTP"
        case ConnectionRefusedError():
            return kinds.CONNECT, "the connection was refused"
        case httpcore.NetworkError():
            return kinds.CONNECT, "the connection broke"
        case _:
            return kinds.CONNECT, "no connection could be made"


class _Deadline(threading.local):
    """When the calling thread's exchange must be over; a connection serves one thread at a time."""

    at: float = 0.0

    def left(self) -> float:
        """Give the seconds left; TimeoutError when there are none, as outside an exchange."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left


_deadline = _Deadline()


class _Stream(httpcore.NetworkStream):
    """A connected socket on which every operation ends at the exchange's deadline."""

    def __init__(self, connection: socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._socket.settimeout(_deadline.left())
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                self._socket.settimeout(_deadline.left())
                rest = rest[self._socket.send(rest) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(_deadline.left())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except BaseException:
            self._socket.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        return None


class _Backend(httpcore.NetworkBackend):
    """Connections to judged addresses only."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = timedelta(seconds=_deadline.left())
        return _Stream(net.open_connection(host, port, timeout=left, trusted=self._trusted))


@cache
def _ssl_context(trusted_file: str | None) -> ssl.SSLContext:
    """Read the trusted certificates, which takes 20 ms, once a process; a file that SSL_CERT_FILE names among them."""
    return httpcore.default_ssl_context()


_pools: dict[bool, httpcore.ConnectionPool] = {}
_pools_lock = threading.Lock()


def _pool(*, trusted: bool) -> httpcore.ConnectionPool:
    """Give this process's pool; what was connected to as trusted is never lent to another request."""
    with _pools_lock:
        if trusted not in _pools:
            _pools[trusted] = httpcore.ConnectionPool(
                ssl_context=_ssl_context(os.environ.get("SSL_CERT_FILE")),
                max_connections=None,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=_Backend(trusted=trusted),
            )
        return _pools[trusted]


def close_connections() -> None:
    """Drop every idle connection of this process, so that the next request judges its address anew."""
    with _pools_lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()


def _forget_connections() -> None:
    """Start a forked child without the parent's connections, whose answers the two would steal from each other."""
    global _pools, _pools_lock
    _pools, _pools_lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_forget_connections)
