"""Model fields whose values are encrypted in the database (core.sealing)."""

import json
from typing import Any

from django.db import models

from siteadmin.core.sealing import UnsealError, seal, unseal


class UnreadableText(str):
    """Stands, empty, for a text that cannot be opened; written back, it keeps what is stored."""

    sealed: str

    def __new__(cls, sealed: str) -> "UnreadableText":
        made = super().__new__(cls, "")
        made.sealed = sealed
        return made


class UnreadableObject(dict[str, Any]):
    """Stands, empty, for an object that cannot be opened; written back, it keeps what is stored."""

    def __init__(self, sealed: str) -> None:
        super().__init__()
        self.sealed = sealed


class SealedTextField(models.TextField[str, str]):
    """A text; the empty one is stored as it is. Rows cannot be looked up by it."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        """Open what is stored."""
        if not value:
            return value
        try:
            return unseal(value)
        except UnsealError:
            return UnreadableText(value)

    def get_prep_value(self, value: Any) -> Any:
        """Seal what is to be stored."""
        if isinstance(value, UnreadableText):
            return value.sealed
        return seal(value) if value else value


class SealedObjectField(models.TextField[dict[str, Any], dict[str, Any]]):
    """An object of plain JSON. Rows cannot be looked up by it."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> dict[str, Any] | None:
        """Open what is stored."""
        if value is None:
            return None
        try:
            return dict(json.loads(unseal(value)))
        except UnsealError:
            return UnreadableObject(value)

    def to_python(self, value: Any) -> Any:
        """Give the object as it is."""
        return value

    def get_prep_value(self, value: Any) -> Any:
        """Seal what is to be stored."""
        if value is None or isinstance(value, UnreadableObject):
            return None if value is None else value.sealed
        return seal(json.dumps(value, separators=(",", ":")))

    def value_to_string(self, obj: models.Model) -> str:
        """Give what is stored, for dumps."""
        return str(self.get_prep_value(self.value_from_object(obj)))
