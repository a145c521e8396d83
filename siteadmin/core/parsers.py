"""Bodies of requests: JSON within limits that DRF's own parser does not have."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from siteadmin.core.exceptions import PayloadTooLargeError

LONGEST_NAME_SHOWN = 100
"""Signs of a member's name that an error repeats."""


class LimitedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes, nested within reason, whose texts PostgreSQL can store.

    An object that names a member twice is refused: what reads it next could take the other value.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Give the parsed body; raises ParseError or PayloadTooLargeError."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        content = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(content) > limit:
            raise PayloadTooLargeError(f"A JSON body has at most {limit} bytes", details={"limit": limit})
        try:
            data = json.loads(content.decode(), object_pairs_hook=_members, parse_constant=_refuse_constant)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except UnicodeDecodeError as error:
            raise ParseError("JSON parse error - the body is not UTF-8") from error
        except json.JSONDecodeError as error:
            raise ParseError(f"JSON parse error - {error}") from error
        except ValueError as error:  # Python's own limit of a number's digits
            raise ParseError("JSON parse error - a number has too many digits") from error
        refuse_unstorable_text(data)
        return data


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        [(twice, _)] = counted.most_common(1)
        raise ParseError(f"JSON parse error - an object names '{twice[:LONGEST_NAME_SHOWN]}' twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"JSON parse error - {name} is no JSON")


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
