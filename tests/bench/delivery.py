"""Deliveries a second to a receiver on loopback."""

import contextlib
import signal

import psutil

from tests.fakes.http_server import HttpServer
from tests.product import Product, running_product

DELIVERIES = 3_000
WRITE = "from tests.bench.delivery_rows import write_deliveries; write_deliveries({}, {})"
PARTS = {"sender": "sender@", "notifier": "notifier@", "PostgreSQL": "postgres", "Redis": "redis"}
Figures = dict[str, float | int | str]


def deliveries_to_loopback() -> Figures:
    """Let a backlog of webhooks go out at once: what the senders alone can do, with its rows and messages there."""
    with HttpServer() as receiver, running_product(OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8") as product:
        key = product.api_key("operator")
        body = {"name": "receiver", "kind": "webhook", "config": {"url": receiver.url}}
        status, channel = product.request("POST", "/api/channels", key=key, body=body)
        assert status == 201, channel
        workers = product.processes("celery", "sender")
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        product.manage("shell", "-v", "0", "-c", WRITE.format(channel["id"], DELIVERIES))
        before = {part: seconds_of_cpu(product, word) for part, word in PARTS.items()}
        own = psutil.Process().cpu_times()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        requests = receiver.wait_for(DELIVERIES, timeout=300)
        spent = {part: seconds_of_cpu(product, word) - before[part] for part, word in PARTS.items()}
        now = psutil.Process().cpu_times()
        spent["receiver"] = now.user + now.system - own.user - own.system
    times = sorted(request.at for request in requests)
    ids = {request.headers["webhook-id"] for request in requests}
    return {
        "deliveries": len(ids),
        "sent twice": len(requests) - len(ids),
        "worker processes": len(workers),
        "deliveries/s": len(times) / (times[-1] - times[0]),
        **{f"CPU ms each, {part}": seconds * 1000 / len(ids) for part, seconds in spent.items()},
        "CPU ms each": sum(spent.values()) * 1000 / len(ids),
    }


def seconds_of_cpu(product: Product, word: str) -> float:
    """Give the CPU time of the product's processes whose command line has this word."""
    total = 0.0
    for process in product.processes(word):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
