"""Making what came from outside fit for PostgreSQL: no NUL, no endless text, no NaN in JSON."""

import json
from typing import Any

LONGEST_ERROR = 2000
"""Signs of an error kept with a row: enough for the cause, too few to fill a table with an answer's body."""


def clean_text(text: str, *, limit: int = LONGEST_ERROR) -> str:
    """Give the text without NUL and lone surrogates, which PostgreSQL refuses, and cut to `limit` signs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:limit]


def clean_json(value: Any) -> Any:
    """Give the value as plain JSON that `jsonb` takes; what JSON does not know becomes text."""
    plain = json.loads(json.dumps(value, default=str, skipkeys=True), parse_constant=str)
    return _clean(plain)


def describe_error(error: BaseException) -> str:
    """Give an exception's class and message, fit to be stored."""
    return clean_text(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value, limit=len(value))
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value
