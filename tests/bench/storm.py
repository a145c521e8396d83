"""A storm: very many events within a minute on one rule, whose channel may send but a few messages a minute."""

import http.client
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.bench.delivery import seconds_of_cpu
from tests.bench.latency import percentile
from tests.fakes.http_server import HttpServer
from tests.product import Product, running_product

EVENTS = 10_000
SECONDS = 60
CAMERAS = 50
WRITE = "from tests.bench.storm_rows import write_events; write_events({}, {})"
MESSAGES_A_MINUTE = 30
LOOK_EVERY_SECONDS = 0.1
COUNT_EVERY_SECONDS = 0.5
LONGEST_SECONDS = 135
"""From the first event to the end, whatever is left by then: the last digest comes when its minute ends."""
LOOKS = ["/api/events?limit=50", "/api/alerts?limit=50", "/api/deliveries?limit=50", "/api/cameras"]
PARTS = {"notifier": "notifier@", "sender": "sender@", "PostgreSQL": "postgres", "Redis": "redis"}
COUNTS = """
SELECT count(*), extract(epoch FROM max(created_at) - min(created_at)),
       (SELECT count(*) FROM alerts_delivery WHERE purpose = 'alert' AND state = 'delivered'),
       (SELECT count(*) FROM alerts_delivery
        WHERE purpose = 'alert' AND state = 'digested' AND delivered_at IS NOT NULL),
       (SELECT count(*) FROM alerts_delivery WHERE purpose = 'digest' AND state = 'delivered'),
       (SELECT count(*) FROM alerts_delivery WHERE purpose = 'alert' AND delivered_at IS NULL)
FROM alerts_alert
"""
Figures = dict[str, float | int | str]


def ten_thousand_events_in_a_minute() -> Figures:
    """Write them at a steady pace while somebody reads lists; what the product made of them in the time there is."""
    with HttpServer() as receiver, running_product(OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8") as product:
        key = product.api_key("admin")
        _set_up(product, key, receiver.url)
        looks = Looks(product, key)
        before = {part: seconds_of_cpu(product, word) for part, word in PARTS.items()}
        looks.thread.start()
        began = time.monotonic()
        product.manage("shell", "-v", "0", "-c", WRITE.format(EVENTS, SECONDS))
        written = time.monotonic() - began
        judged_meanwhile = int(product.rows(COUNTS)[0][0])
        _await(lambda: product.rows(COUNTS)[0][0] == EVENTS, until=began + LONGEST_SECONDS)
        looks.stop()
        spent = {part: seconds_of_cpu(product, word) - before[part] for part, word in PARTS.items()}
        _await(lambda: product.rows(COUNTS)[0][5] == 0, until=began + LONGEST_SECONDS)
        took = time.monotonic() - began
        judged, span, sent, digested, digests, untold = product.rows(COUNTS)[0]
        requests = list(receiver.requests)
    minutes = Counter(int((request.at - requests[0].at) // 60) for request in requests)
    return {
        "events": EVENTS,
        "written in s": written,
        "judged when all are written": judged_meanwhile,
        "judged": int(judged),
        "first to last alert, s": float(span),
        "judged/s": int(judged) / float(span),
        "alerts sent by themselves": int(sent),
        "alerts told of by digests": int(digested),
        "digests": int(digests),
        "alerts not told of yet": int(untold),
        "took s": took,
        "most messages in a minute": max(minutes.values()),
        "sent twice": len(requests) - len({request.headers["webhook-id"] for request in requests}),
        **{f"CPU ms an event, {part}": seconds * 1000 / int(judged) for part, seconds in spent.items()},
        "API lists, requests": len(looks.times),
        "API lists, p50 ms": statistics.median(looks.times),
        "API lists, p95 ms": percentile(looks.times, 0.95),
        "API lists, max ms": max(looks.times),
    }


def _await(is_so: Callable[[], bool], *, until: float) -> None:
    """Wait for it, but no longer than until then: the figures say what is left."""
    while time.monotonic() < until and not is_so():
        time.sleep(COUNT_EVERY_SECONDS)


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
