"""What listeners of `/api/stream` cost: 500 of them, idle, and how soon all of them hear of one event."""

import asyncio
import json
import statistics
import time

import psutil

from tests.bench.latency import percentile
from tests.product import Product, running_product

LISTENERS = 500
EVENTS = 20

Figures = dict[str, float | int | str]


def idle_listeners() -> Figures:
    """Memory of the web processes with and without listeners, and the milliseconds until each heard each event."""
    with running_product(DETECTOR="tests.fakes.detectors.InstantDetector", DEMO="0") as product:
        key = product.api_key("operator")
        product.request("POST", "/api/cameras", key=key, body={"id": "bench", "name": "bench"})
        return asyncio.run(_measure(product, key))


async def _measure(product: Product, key: str) -> Figures:
    before = _web_megabytes(product)
    heard: list[float] = []
    sent: dict[str, float] = {}
    streams = [await asyncio.open_connection("127.0.0.1", product.port) for _ in range(LISTENERS)]
    request = f"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    for reader, writer in streams:
        writer.write(request)
        assert (await reader.readline()).split()[1] == b"200"
        while not (await reader.readline()).startswith(b"id: "):
            pass
    during = _web_megabytes(product)
    cpu_before, began = _web_seconds(product), time.monotonic()
    await asyncio.sleep(10)  # the span over which idling is measured
    idle_cpu = (_web_seconds(product) - cpu_before) / (time.monotonic() - began)

    async def listen(reader: asyncio.StreamReader) -> None:
        for _ in range(EVENTS):
            while not (await reader.readline()).startswith(b"event: event.opened"):
                pass
            data = json.loads((await reader.readline()).removeprefix(b"data: "))
            heard.append((time.monotonic() - sent[data["event"]["started_at"]]) * 1000)

    listening = [asyncio.create_task(listen(reader)) for reader, _ in streams]
    for number in range(EVENTS):
        at = f"2026-03-{number + 1:02d}T12:00:00Z"
        one = {
            "camera": "bench", "detected_at": at, "object_type": "person", "confidence": 0.9,
            "bbox": {"x": 1, "y": 1, "width": 10, "height": 10}, "frame": {"width": 100, "height": 100},
        }  # fmt: skip
        sent[at] = time.monotonic()
        body = {"detections": [one]}
        status, _ = await asyncio.to_thread(product.request, "POST", "/api/detections/bulk", key=key, body=body)
        assert status == 207
        await asyncio.sleep(0.5)  # the pace is the benchmark's own
    await asyncio.wait_for(asyncio.gather(*listening), 60)
    for _, writer in streams:
        writer.close()
    return {
        "listeners": LISTENERS,
        "web memory before MB": before,
        "web memory with them MB": during,
        "idle, share of a core": idle_cpu,
        "p50 ms to hear": statistics.median(heard),
        "p95 ms to hear": percentile(heard, 0.95),
    }


def _web(product: Product) -> list[psutil.Process]:
    (master,) = [child for child in psutil.Process(product.process.pid).children() if "uvicorn" in child.cmdline()]
    return [master, *master.children(recursive=True)]


def _web_megabytes(product: Product) -> float:
    return sum(process.memory_info().rss for process in _web(product)) / 1024 / 1024


def _web_seconds(product: Product) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in _web(product)))
