"""JSON as bytes, fast."""

import json
from typing import Any

import orjson
from rest_framework.utils.encoders import JSONEncoder

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_encoder = JSONEncoder()


def to_json(data: Any) -> bytes:
    """Write what an answer holds; times of UTC have a Z."""
    try:
        return orjson.dumps(data, default=_encoder.default, option=_OPTIONS)
    except TypeError:
        # Whole numbers beyond 64 bits, half a surrogate pair: the standard library writes them all.
        return json.dumps(data, cls=JSONEncoder, separators=(",", ":")).encode()
