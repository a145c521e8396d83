"""Templates of dedup keys: which are allowed, and what key one gives.

No two sets of parts give the same key by the same template: parts are percent-encoded, and between two
placeholders stands a sign that no encoded part contains.
"""

import hashlib
from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote

from alerts.choices import LONGEST_DEDUP_KEY

PLACEHOLDERS = ("camera_id", "rule_id", "object_type", "zone")
_UNRESERVED = "_.-~"
"""Signs that percent-encoding leaves alone; those that a template uses itself are encoded too."""


class TemplateError(ValueError):
    """A template cannot be used."""


def check_template(template: str) -> None:
    """Raise TemplateError for a template that `render_key` would not take."""
    _parse(template)


def render_key(template: str, parts: Mapping[str, str]) -> str:
    """Give the dedup key; `parts` has a text for each of PLACEHOLDERS."""
    pieces = _parse(template)
    literals = "".join(literal for literal, _ in pieces)
    key = "".join(literal + (_encode(parts[name], used=literals) if name else "") for literal, name in pieces)
    if len(key) <= LONGEST_DEDUP_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_DEDUP_KEY - len(digest) - 1]}~{digest}"


def _parse(template: str) -> list[tuple[str, str | None]]:
    """Give the template as text and the placeholder after it, None after the last text."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"The braces are not balanced; placeholders are {known}.") from error
    if not parsed:
        raise TemplateError("A template may not be empty.")
    pieces: list[tuple[str, str | None]] = []
    text = ""
    for literal, name, spec, conversion in parsed:
        text += literal
        if name is None:
            continue
        if name not in PLACEHOLDERS or spec or conversion:
            raise TemplateError(f"Unknown placeholder {{{name}}}; placeholders are {known}, as they stand here.")
        if pieces and not _separates(text):
            raise TemplateError("Put a sign such as : between two placeholders.")
        pieces.append((text, name))
        text = ""
    return [*pieces, (text, None)]


def _separates(literal: str) -> bool:
    return any(not (sign.isascii() and sign.isalnum()) and sign != "%" for sign in literal)


def _encode(part: str, *, used: str) -> str:
    encoded = quote(part, safe="")
    for sign in _UNRESERVED:
        if sign in used:
            encoded = encoded.replace(sign, f"%{ord(sign):02X}")
    return encoded
