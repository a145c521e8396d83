"""A load generator that costs little: keep-alive connections over bare sockets, one thread, in a process of its own.

`python -m tests.bench.load` reads a Load as JSON from standard input and writes Measured to standard output.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from tests.product import ROOT

BUFFER = 262_144
LONGEST_WAIT_SECONDS = 30


@dataclass(slots=True, frozen=True, kw_only=True)
class Load:
    """What is asked, by how many clients at once, for how long."""

    port: int
    paths: list[str]
    headers: dict[str, str]
    clients: int
    seconds: float
    warm_up_seconds: float = 1.0


@dataclass(slots=True, frozen=True)
class Measured:
    """What came of it; times in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p95: float
    largest: float
    bytes_each: float
    own_ms: float
    """Processor time that a request costs the load generator itself."""


class _Client:
    """One connection that asks for one path after the other, from a place of its own in the list."""

    def __init__(self, load: Load, requests: list[bytes], place: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", load.port), timeout=LONGEST_WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.place = requests, place
        self.received = bytearray()
        self.missing = -1
        self.began = 0.0

    def ask(self) -> None:
        """Send the next request."""
        self.place = (self.place + 1) % len(self.requests)
        self.received.clear()
        self.missing = -1
        self.began = time.perf_counter()
        self.socket.sendall(self.requests[self.place])

    def take(self) -> bool:
        """Read what has come; tells whether the answer is whole."""
        data = self.socket.recv(BUFFER)
        assert data, "the server closed the connection"
        self.received += data
        if self.missing < 0:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self.received[:end])
            assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), bytes(self.received[:2000]).decode()
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            assert length, "the answer does not say its length"
            self.missing = end + 4 + int(length)
        return len(self.received) >= self.missing


def run(load: Load) -> Measured:
    """Ask until the time is over; any answer but 200 ends the run."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **load.headers}.items())
    requests = [f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode() for path in load.paths]
    selector = selectors.EpollSelector()
    for number in range(load.clients):
        client = _Client(load, requests, number * len(requests) // load.clients)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask()
    times: list[float] = []
    size = 0
    started, spent = time.perf_counter(), time.process_time()
    start = started + load.warm_up_seconds
    end = start + load.seconds
    while (now := time.perf_counter()) < end or not times:  # a slow server is waited for
        ready = selector.select(LONGEST_WAIT_SECONDS)
        assert ready, "no answer came in time"
        for key, _ in ready:
            answered: _Client = key.data
            if answered.take():
                if answered.began >= start:
                    times.append(time.perf_counter() - answered.began)
                    size += answered.missing
                answered.ask()
    spent = time.process_time() - spent
    times.sort()
    number = len(times)
    return Measured(
        requests=number,
        per_second=number / (now - start),
        p50=times[number // 2] * 1000,
        p95=times[int(number * 0.95)] * 1000,
        largest=times[-1] * 1000,
        bytes_each=size / number,
        own_ms=spent / (number * (now - started) / (now - start)) * 1000,
    )


def run_apart(load: Load) -> Measured:
    """Ask from a process of its own."""
    command = [sys.executable, "-m", "tests.bench.load"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Measured(**json.loads(done.stdout))


if __name__ == "__main__":
    print(json.dumps(asdict(run(Load(**json.load(sys.stdin))))))
