"""A storm: very many events within a minute on one rule, whose channel may send but a few messages a minute."""

import http.client
import json
import statistics
import threading
import time
from collections import Counter

from tests.bench.latency import percentile
from tests.fakes.http_server import HttpServer
from tests.product import Product, running_product
from tests.waiting import wait_until

EVENTS = 10_000
SECONDS = 60
CAMERAS = 50
WRITE = "from tests.bench.storm_rows import write_events; write_events({}, {})"
MESSAGES_A_MINUTE = 30
LOOK_EVERY_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 240
LOOKS = ["/api/events?limit=50", "/api/alerts?limit=50", "/api/deliveries?limit=50", "/api/cameras"]
Figures = dict[str, float | int | str]


def ten_thousand_events_in_a_minute() -> Figures:
    """Write them at a steady pace while somebody reads lists, let the product judge and tell, to the last digest."""
    with HttpServer() as receiver, running_product(OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8") as product:
        key = product.api_key("admin")
        _set_up(product, key, receiver.url)
        looks = Looks(product, key)
        looks.thread.start()
        began = time.monotonic()
        product.manage("shell", "-v", "0", "-c", WRITE.format(EVENTS, SECONDS))
        written = time.monotonic() - began
        wait_until(lambda: _count(product, "alerts_alert") == EVENTS, timeout=LONGEST_WAIT_SECONDS, what="the judging")
        judged = time.monotonic() - began
        looks.stop()
        # The last digest comes when its period ends, and every alert is told of by then.
        wait_until(
            lambda: _count(product, "alerts_alert", "pending") == 0, timeout=LONGEST_WAIT_SECONDS, what="digests"
        )
        told = time.monotonic() - began
        requests = list(receiver.requests)
    bodies = [json.loads(request.body) for request in requests]
    digests = [body["data"]["digest"]["count"] for body in bodies if body["type"] == "alert.digest"]
    minutes = Counter(int((request.at - requests[0].at) // 60) for request in requests)
    return {
        "events": EVENTS,
        "written in s": written,
        "judged in s": judged,
        "told in s": told,
        "alerts sent by themselves": len(bodies) - len(digests),
        "alerts digested": sum(digests),
        "digests": len(digests),
        "most messages in a minute": max(minutes.values()),
        "sent twice": len(requests) - len({request.headers["webhook-id"] for request in requests}),
        "API lists, requests": len(looks.times),
        "API lists, p50 ms": statistics.median(looks.times),
        "API lists, p95 ms": percentile(looks.times, 0.95),
        "API lists, max ms": max(looks.times),
    }


class Looks:
    """Somebody who reads the lists in turn, a few times a second, over one connection."""

    def __init__(self, product: Product, key: str) -> None:
        self.times: list[float] = []
        """Milliseconds of each request."""
        self.thread = threading.Thread(target=self._look, daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._is_over = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.thread.join()
        self._connection.close()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_SECONDS):
            began = time.perf_counter()
            self._connection.request("GET", LOOKS[len(self.times) % len(LOOKS)], headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            self.times.append((time.perf_counter() - began) * 1000)


def _set_up(product: Product, key: str, url: str) -> None:
    for number in range(CAMERAS):
        name = f"storm_{number:02d}"
        status, made = product.request("POST", "/api/cameras", key=key, body={"id": name, "name": name})
        assert status == 201, made
    channel = {"name": "receiver", "kind": "webhook", "config": {"url": url}, "max_messages": MESSAGES_A_MINUTE}
    status, made = product.request("POST", "/api/channels", key=key, body=channel)
    assert status == 201, made
    rule = {"name": "all", "severity": "medium", "cooldown_seconds": 0, "channel_ids": [made["id"]]}
    status, made = product.request("POST", "/api/alert-rules", key=key, body=rule)
    assert status == 201, made


def _count(product: Product, table: str, status: str | None = None) -> int:
    query = f"SELECT count(*) FROM {table} WHERE %s::text IS NULL OR status = %s"  # noqa: S608 - our own words
    return int(product.rows(query, status, status)[0][0])
