"""The site behind its real server, on a loopback port, in a thread of the tests."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from siteadmin.core.models import Change
from siteadmin.core.serving import ThreadedHandler
from tests.waiting import wait_until

QUIET_SECONDS = 90.0
"""How long a stream may say nothing before a test that waits for it gives up."""


@contextmanager
def serving() -> Iterator[int]:
    """Run the site's server and give its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        ThreadedHandler(), lifespan="on", loop="uvloop", http="httptools", ws="none", log_level="warning",
        proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started, timeout=20)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


def wait_until_told() -> None:
    """Wait until all changes so far can be read: transactions of other tests' databases hold the stream back too."""

    def is_settled() -> bool:
        newest = Change.objects.order_by("-transaction").first()
        return newest is None or newest.transaction <= Change.objects.end().transaction

    wait_until(is_settled, timeout=QUIET_SECONDS)


@dataclass
class StreamClient:
    """One listener of `/api/stream`."""

    port: int
    key: str
    query: str = ""
    last_event_id: str = ""
    status: int = 0
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    """Id, event and data of each message so far."""

    def __enter__(self) -> "StreamClient":
        wait_until_told()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=QUIET_SECONDS)
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        self.connection.request("GET", f"/api/stream{self.query}", headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self.connection.close()

    def begin(self) -> str:
        """Wait until it hears what happens from now on; gives the id to resume from."""
        return self.read()[0]

    def read(self) -> tuple[str, str, Any]:
        """Give the next message that has an id, as id, event and data."""
        lines: dict[str, str] = {}
        while True:
            line = self.answer.readline()
            if not line:
                raise EOFError
            text = line.decode().rstrip("\n")
            if not text and "id" in lines:
                message = lines["id"], lines.get("event", ""), json.loads(lines.get("data", "null"))
                self.seen.append(message)
                self.last_event_id = lines["id"]
                return message
            name, _, value = text.partition(": ")
            if name:
                lines[name] = value
