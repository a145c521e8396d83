"""Bodies of requests: JSON within limits that DRF's own parser does not have."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from siteadmin.core.exceptions import PayloadTooLargeError


class LimitedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes, nested within reason, whose texts PostgreSQL can store."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Give the parsed body; raises ParseError or PayloadTooLargeError."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        content = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(content) > limit:
            raise PayloadTooLargeError(f"A JSON body has at most {limit} bytes", details={"limit": limit})
        try:
            data = super().parse(BytesIO(content), media_type, dict(parser_context or {}))
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        refuse_unstorable_text(data)
        return data


def refuse_unstorable_text(data: Any) -> None:
    """Refuse NUL and lone surrogates anywhere in parsed JSON: PostgreSQL stores neither."""
    waiting = [data]
    while waiting:
        match waiting.pop():
            case str() as text:
                if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text if not sign.isascii()):
                    raise ParseError("JSON parse error - a text contains NUL or a lone surrogate")
            case list() as items:
                waiting.extend(items)
            case dict() as members:
                waiting.extend(members)
                waiting.extend(members.values())
