"""Names that people give: one line of text that says what it shows, wherever it ends up."""

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from rest_framework import serializers

LINE_KINDS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control signs, lone surrogates and what ends a line or a paragraph, by Unicode's general category."""
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of writing, so that a text reads otherwise than it stands there."""

PATTERN = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]*$"
"""The same as a regular expression for the schema; surrogates no JSON text of ours can hold."""


def validate_name(value: str) -> None:
    """Refuse a name that is more than one line, or holds signs that cannot be seen and change how it is read."""
    refused = next((sign for sign in value if _is_refused(sign)), None)
    if refused is not None:
        raise ValidationError(
            "A name is one line of plain text; the sign U+%(sign)s, which cannot be seen, is not allowed.",
            code="invalid_name",
            params={"sign": f"{ord(refused):04X}"},
        )


def clean_name(text: str, *, limit: int) -> str:
    """Make a name of a text that nobody could be asked about: refused signs become blanks; "" where nothing is left."""
    plain = "".join(" " if _is_refused(sign) else sign for sign in text)
    return " ".join(plain.split())[:limit].rstrip()


def _is_refused(sign: str) -> bool:
    return unicodedata.category(sign) in LINE_KINDS or sign in TURNING


class NameField(models.CharField[str, str]):
    """A name; forms and the API refuse what `validate_name` does."""

    default_validators = [validate_name]


class NameSerializerField(serializers.CharField):
    """A name in a body; checked here, as serializers leave validators of a model's unique field to the services."""

    def to_internal_value(self, data: Any) -> str:
        """Give the trimmed name."""
        name = super().to_internal_value(data)
        try:
            validate_name(name)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages, code="invalid_name") from error
        return name
