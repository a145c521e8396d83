"""Detectors that are asked by HTTP, over a real socket, in both protocols that we speak.

Each looks at nothing: it answers the objects it was given, and fails as the test says. `python -m
tests.fakes.detector_server PORT` is one that can be killed.
"""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

from tests.fakes.http_server import Answer, HttpServer, Received


def deepstack_answer(*objects: tuple[str, float, int, int, int, int]) -> Answer:
    """Give what DeepStack and CodeProject.AI answer for label, confidence, left, top, right, bottom."""
    names = ("label", "confidence", "x_min", "y_min", "x_max", "y_max")
    predictions = [dict(zip(names, one, strict=True)) for one in objects]
    return json_answer({"success": True, "predictions": predictions, "inferenceMs": 4})


def plain_answer(*objects: tuple[str, float, Sequence[float] | dict[str, float]], **more: Any) -> Answer:
    """Give what the plain protocol answers for class, confidence and box."""
    detections = [{"class": name, "confidence": confidence, "bbox": box} for name, confidence, box in objects]
    return json_answer({"detections": detections, "inference_time_ms": 4.2, **more})


def json_answer(body: Any, *, status: int = 200) -> Answer:
    """Give this as JSON; NaN goes as Python and many others write it."""
    return Answer(status=status, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def refused(reason: str = "No valid image file found") -> Answer:
    """Give DeepStack's refusal of a picture."""
    return json_answer({"success": False, "error": reason}, status=400)


def a_gigabyte() -> Answer:
    """Announce a gigabyte and begin to send it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
    return Answer(raw=head + b"[" * (8 * 1024 * 1024))


DOWN = Answer(reset=True)
OVERLOADED = Answer(status=503, body=b"busy")
SILENT = Answer(hang=True)
ONE_PERSON = deepstack_answer(("person", 0.9, 100, 100, 150, 250))


class DetectorServer(HttpServer):
    """The server; `default` is what it sees on every picture."""

    def __init__(self, *answers: Answer, default: Answer = ONE_PERSON, port: int = 0) -> None:
        super().__init__(*answers, default=default, port=port)


def form_of(request: Received) -> dict[str, bytes]:
    """Give the fields of a multipart request, read by the standard library."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body, policy=policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)  # type: ignore[misc]
        for part in message.iter_parts()  # type: ignore[attr-defined]
    }


if __name__ == "__main__":  # a port, and how many seconds an answer takes
    seen = replace(ONE_PERSON, delay=float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    with DetectorServer(default=seen, port=int(sys.argv[1])):
        threading.Event().wait()
