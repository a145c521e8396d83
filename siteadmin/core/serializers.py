"""Bodies in and out: unknown fields are refused by name, and readers may pick the fields they want."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NoReturn, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.db.models import F, Model, Value
from django.db.models.functions import NullIf
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from siteadmin.core.filters import parse_instant
from siteadmin.core.names import NameField, NameSerializerField

M = TypeVar("M", bound=Model)

ALWAYS_ALLOWED = frozenset({"csrfmiddlewaretoken"})


class ChoiceField(serializers.ChoiceField):
    """One of several words; what is none of them is told which there are."""

    def fail(self, key: str, **said: Any) -> NoReturn:
        """Refuse the value."""
        if key == "invalid_choice":
            allowed = ", ".join(map(str, self.choices))
            raise serializers.ValidationError(f"'{said['input']}' is not one of: {allowed}.", code=key)
        super().fail(key, **said)


class _StrictFields(serializers.Serializer[Any]):
    """Refuses what it does not know; ignores read-only fields, so that what was read can be sent back."""

    def to_internal_value(self, data: Any) -> Any:
        """Give the validated values; an unknown field is reported together with all other errors."""
        unknown = self._unknown(data)
        if not unknown:
            return super().to_internal_value(data)
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            unknown |= error.detail if isinstance(error.detail, dict) else {}
        raise serializers.ValidationError(unknown)

    def _unknown(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            return {}
        allowed = ", ".join(name for name, item in self.fields.items() if not item.read_only) or "none"
        error = ErrorDetail(f"Unknown field; allowed are: {allowed}", code="unknown_field")
        return {str(name): [error] for name in data if name not in self.fields and name not in ALWAYS_ALLOWED}

    def pick(self, names: Iterable[str]) -> None:
        """Leave out every field but these."""
        for name in set(self.fields) - set(names):
            self.fields.pop(name)


class WhoField(serializers.CharField):
    """Who did it, as kept with the row: a user's name, or `key:NAME` of an API key; nobody is null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, help_text="A user's name, or key:NAME.", **kwargs)

    def to_representation(self, value: Any) -> Any:
        """Give the name, or null."""
        return value or None

    def as_column(self, column: F) -> Any:
        """Have the database give the same."""
        return NullIf(column, Value(""))


class InstantField(serializers.DateTimeField):
    """An RFC 3339 time with its offset: a time without one would mean another instant to each reader."""

    def __init__(self, **kwargs: Any) -> None:
        # A browser's own field for times knows no offset.
        style = {"input_type": "text", "placeholder": "2026-03-14T21:58:00Z"}
        super().__init__(**{"style": style, **kwargs})

    def to_internal_value(self, value: Any) -> datetime:
        """Give the aware time in UTC."""
        try:
            return parse_instant(value if isinstance(value, str) else "")
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages, code=error.code) from error


class VersionField(serializers.IntegerField):
    """The version of a row that people edit; sent with a change, the one that it was made on."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "Counts people's changes. Sent along: 409 where somebody changed it since."
        super().__init__(required=False, min_value=1, help_text=help_text, **kwargs)


class StrictSerializer(_StrictFields):
    """Base of all serializers without a model."""


class StrictModelSerializer(_StrictFields, serializers.ModelSerializer[M]):
    """Base of all serializers of a model."""

    serializer_choice_field = ChoiceField
    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        NameField: NameSerializerField,
        models.DateTimeField: InstantField,
    }
