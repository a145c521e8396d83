"""Query parameters of pictures."""

from rest_framework.request import Request

from events.services.pictures import LARGEST_WIDTH, SMALLEST_WIDTH
from siteadmin.core.exceptions import InvalidInputError

_FLAGS = {"": True, "1": True, "true": True, "0": False, "false": False}


def read_annotated(request: Request) -> bool:
    """Read `annotated`: whether boxes are drawn."""
    flag = _FLAGS.get(request.query_params.get("annotated", "").strip().lower())
    if flag is None:
        raise _refusal("annotated", "must be true or false")
    return flag


def read_width(request: Request) -> int | None:
    """Read `width`: how many pixels wide the picture may be."""
    text = request.query_params.get("width", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5) or not SMALLEST_WIDTH <= int(text) <= LARGEST_WIDTH:
        raise _refusal("width", f"must be a whole number from {SMALLEST_WIDTH} to {LARGEST_WIDTH}")
    return int(text)


def _refusal(name: str, rule: str) -> InvalidInputError:
    message = f"The '{name}' parameter {rule}"
    return InvalidInputError(message, errors=[{"field": name, "code": "invalid", "detail": message}])
