"""A detector that runs elsewhere and is asked by HTTP, in one of two protocols.

`deepstack`: `POST /v1/vision/detection` of DeepStack, CodeProject.AI, Blue Onyx and others; form fields `image` and
`min_confidence`. `json`: `POST /detect` with a multipart `file`. docs/detection.md has both answers.
"""

import json
import math
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from events.detectors.base import LEAST_CONFIDENCE, FoundObject, Picture
from events.detectors.frames import as_upright, clip
from events.detectors.labels import clean_label
from events.exceptions import DetectorAnswerError
from siteadmin.core import http
from siteadmin.core.exceptions import DetectorUnavailableError

PATHS = {"deepstack": "/v1/vision/detection", "json": "/detect"}
"""Where each protocol is spoken, where the configured URL has no path of its own."""
LARGEST_ANSWER = 4 * 1024 * 1024
WORTH_ANOTHER_TRY = (408, 425, 429)
"""The only 4xx that say nothing of the picture."""
NONSENSE = (http.OutboundErrorKind.TOO_LARGE,)


class HttpDetector:
    """Asks the program at `DETECTOR_URL`."""

    name = "http"

    def __init__(
        self, url: str | None = None, *, protocol: str | None = None, timeout: timedelta | None = None
    ) -> None:
        self._protocol = protocol or settings.DETECTOR_PROTOCOL
        self._url = _address(url or settings.DETECTOR_URL, path=PATHS[self._protocol])
        self._timeout = timeout or settings.DETECTOR_TIMEOUT

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Send the picture and read the answer."""
        data, (width, height) = as_upright(picture.data)
        fields = {"min_confidence": str(LEAST_CONFIDENCE)} if self._protocol == "deepstack" else {}
        content_type, body = encode_form(fields, file_field=_file_field(self._protocol), data=data)
        answer = self._ask(body, content_type=content_type)
        items = _deepstack_items(answer) if self._protocol == "deepstack" else _json_items(answer)
        # Some look at a smaller copy and say so.
        frame = _size_of(answer) or (width, height)
        factors = (width / frame[0], height / frame[1])
        found = [_object(item, index=index, frame=(width, height), factors=factors) for index, item in enumerate(items)]
        return sorted((one for one in found if one is not None), key=lambda one: -one.confidence)

    def _ask(self, body: bytes, *, content_type: str) -> Mapping[str, Any]:
        try:
            response = http.request(
                "POST",
                self._url,
                headers={"Content-Type": content_type, "Accept": "application/json"},
                content=body,
                timeout=self._timeout,
                max_bytes=LARGEST_ANSWER,
                trusted=True,
            )
        except http.OutboundError as error:
            if error.kind in NONSENSE:
                raise DetectorAnswerError(f"The detector's answer is too long: {error.message}") from error
            raise DetectorUnavailableError(f"The detector does not answer: {error.message}") from error
        if response.status >= 500 or response.status in WORTH_ANOTHER_TRY:
            raise DetectorUnavailableError(f"The detector answered {response.status}")
        if not response.is_success:
            raise DetectorAnswerError(f"The detector refused the picture: {response.status}{_reason(response.body)}")
        answer = _parse(response.body)
        if not isinstance(answer, dict):
            raise DetectorAnswerError("The detector's answer is no JSON object")
        return answer


def encode_form(fields: Mapping[str, str], *, file_field: str, data: bytes) -> tuple[str, bytes]:
    """Give the content type and body of a multipart form (RFC 7578) with these fields and one picture."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    disposition = f'form-data; name="{file_field}"; filename="picture.{media_type[6:]}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n".encode()
    body = b"".join([*parts, head, data, f"\r\n--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body


def _address(url: str, *, path: str) -> str:
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + path


def _file_field(protocol: str) -> str:
    return "image" if protocol == "deepstack" else "file"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DetectorAnswerError("The detector's answer is no JSON") from error


def _reason(body: bytes) -> str:
    """Give what a refusal says, short, where it says it in one of the usual fields."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    texts = [said.get(name) for name in ("error", "detail", "message")] if isinstance(said, dict) else []
    return next((f" ({text[:200]})" for text in texts if isinstance(text, str) and text), "")


def _deepstack_items(answer: Mapping[str, Any]) -> list[Any]:
    if answer.get("success") is not True:
        reason = str(answer.get("error") or answer.get("message") or "no reason given")[:200]
        code = answer.get("code")
        if isinstance(code, int) and code >= 500:
            raise DetectorUnavailableError(f"The detector failed: {reason}")
        raise DetectorAnswerError(f"The detector refused the picture: {reason}")
    return _list_of(answer, ("predictions",))


def _json_items(answer: Mapping[str, Any]) -> list[Any]:
    return _list_of(answer, ("detections", "predictions", "objects", "results"))


def _list_of(answer: Mapping[str, Any], names: tuple[str, ...]) -> list[Any]:
    for name in names:
        if name in answer:
            items = answer[name]
            if items is None:
                return []
            if isinstance(items, list):
                return items
            break
    raise DetectorAnswerError(f"The detector's answer has no list '{names[0]}'")


def _size_of(answer: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = answer.get("image_width"), answer.get("image_height")
    if width is None or height is None:
        return None
    size = _number(width, "image_width"), _number(height, "image_height")
    if min(size) < 1:
        raise DetectorAnswerError("The detector looked at a picture without pixels")
    return size


def _object(item: Any, *, index: int, frame: tuple[int, int], factors: tuple[float, float]) -> FoundObject | None:
    """Read one object; None where it lies outside the picture or has no area. DetectorAnswerError for nonsense."""
    if not isinstance(item, dict):
        raise DetectorAnswerError(f"The detector's object {index} is no JSON object")
    named = next((item[name] for name in ("label", "class", "class_name", "object_type") if name in item), None)
    label = clean_label(named) if isinstance(named, str) else ""
    if not label:
        raise DetectorAnswerError(f"The detector's object {index} has no name")
    confidence = _number(item.get("confidence"), f"confidence of object {index}")
    if not 0 <= confidence <= 1:
        raise DetectorAnswerError(f"The confidence of the detector's object {index} is {confidence:g}, not 0 to 1")
    left, top, right, bottom = _corners(item, index=index)
    box = clip(
        (left * factors[0], top * factors[1], (right - left) * factors[0], (bottom - top) * factors[1]),
        width=frame[0],
        height=frame[1],
    )
    if box is None:
        return None
    return FoundObject(
        object_type=label,
        confidence=confidence,
        x=box[0],
        y=box[1],
        width=box[2],
        height=box[3],
        frame_width=frame[0],
        frame_height=frame[1],
    )


def _corners(item: Mapping[str, Any], *, index: int) -> tuple[float, float, float, float]:
    """Give left, top, right and bottom: of corners, or of a box as [x, y, width, height] or an object of these."""
    box: Any = item.get("bbox", item)
    if isinstance(box, list) and len(box) == 4:
        box = dict(zip(("x", "y", "width", "height"), box, strict=True))
    for names in (("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2")):
        if isinstance(box, dict) and all(name in box for name in names):
            left, top, right, bottom = (_number(box[name], f"box of object {index}") for name in names)
            return left, top, right, bottom
    if isinstance(box, dict) and all(name in box for name in ("x", "y", "width", "height")):
        x, y, width, height = (_number(box[name], f"box of object {index}") for name in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    raise DetectorAnswerError(f"The detector's object {index} has no box")


def _number(value: Any, what: str) -> float:
    """Give a finite number of a size that a picture can have; DetectorAnswerError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DetectorAnswerError(f"The {what} is no number")
    try:
        number = float(value)
    except OverflowError as error:
        raise DetectorAnswerError(f"The {what} is no number that fits") from error
    if not math.isfinite(number) or abs(number) > 1e9:
        raise DetectorAnswerError(f"The {what} is no number that fits")
    return number
