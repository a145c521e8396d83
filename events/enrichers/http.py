"""Asks a service about one object: its picture goes out by multipart, named attributes come back as a JSON object.

The protocol is in docs/enrichment.md.
"""

import json
import secrets
from typing import Any

from events.exceptions import AnswerNotUsableError, RequestRefusedError
from siteadmin.core import http
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import EnrichmentUnavailableError
from siteadmin.settings.services import EnricherSettings

MAX_ANSWER_BYTES = 64 * 1024
MOST_ATTRIBUTES = 32
LONGEST_ATTRIBUTE_NAME = 64
LONGEST_ATTRIBUTE = 500
"""Signs of one value: a caption, a plate, a name."""
TRY_LATER = (408, 425, 429)


class HttpEnricher:
    """One service; asking it changes nothing."""

    def __init__(self, service: EnricherSettings) -> None:
        self.name = service.name
        self.types = service.types
        self._service = service

    def wants(self, object_type: str) -> bool:
        """Tell whether the service is asked about objects of this type."""
        return not self.types or object_type in self.types

    def ask(self, picture: bytes, *, object_type: str, confidence: float) -> dict[str, Any]:
        """Give the attributes of the object on this JPEG.

        EnrichmentUnavailableError where another try may work, AnswerNotUsableError where the answer makes no sense,
        RequestRefusedError where the service wants something else.
        """
        fields = {"object_type": object_type, "confidence": f"{confidence:.4f}"}
        body, content_type = encode_multipart(picture, fields)
        try:
            response = http.request(
                "POST",
                self._service.url,
                headers={"Content-Type": content_type, "Accept": "application/json"},
                content=body,
                timeout=self._service.timeout,
                max_bytes=MAX_ANSWER_BYTES,
                trusted=True,
            )
        except http.OutboundError as error:
            if error.kind is http.OutboundErrorKind.TOO_LARGE:
                raise AnswerNotUsableError(error.message, original_error=error) from error
            raise EnrichmentUnavailableError(error.message, original_error=error) from error
        if response.status >= 500 or response.status in TRY_LATER:
            raise EnrichmentUnavailableError(f"The service '{self.name}' answered with status {response.status}")
        if not response.is_success:
            raise RequestRefusedError(f"The service '{self.name}' refuses the request with status {response.status}")
        return read_attributes(response.body)


def encode_multipart(picture: bytes, fields: dict[str, str]) -> tuple[bytes, str]:
    """Give a multipart body with the fields and the picture as `file`, and its content type."""
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(head.encode() + value.encode("utf-8", "replace") + b"\r\n")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="object.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    parts.append(head.encode() + picture + f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def read_attributes(body: bytes) -> dict[str, Any]:
    """Read an answer; AnswerNotUsableError for all but a JSON object.

    Numbers, switches and nulls stay, texts are cut, anything deeper becomes text.
    """
    try:
        answer = json.loads(body.decode("utf-8", "replace"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AnswerNotUsableError("The service did not answer with JSON") from error
    if not isinstance(answer, dict):
        raise AnswerNotUsableError("The service did not answer with a JSON object")
    if len(answer) > MOST_ATTRIBUTES:
        raise AnswerNotUsableError(f"The service answered with more than {MOST_ATTRIBUTES} attributes")
    return {clean_text(name, limit=LONGEST_ATTRIBUTE_NAME): _value(value) for name, value in answer.items()}


def _value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean_text(text, limit=LONGEST_ATTRIBUTE)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
