"""Result types and their way through Celery's JSON: what a caller of `AsyncResult.get()` gets is the same class.

A Result is an expected outcome as a value. A field that holds a model travels as None, the id beside it stays; a
model within a list or dict travels as its id.
"""

import dataclasses
from typing import Any, TypeVar

from django.db.models import Model
from kombu.utils.json import register_type

R = TypeVar("R", bound=type)


def _plain(value: Any) -> Any:
    """Give what JSON can carry: a model among others is its id."""
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _encode(result: Any) -> dict[str, Any]:
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    # A field that is a model itself is None on the other side, its id stands in the field beside it.
    return {name: None if isinstance(value, Model) else _plain(value) for name, value in values.items()}


def register_result(cls: R) -> R:
    """Teach Celery's JSON this Result class; used as a decorator above `@dataclass`."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    tuples = {name for name, field in fields.items() if str(field.type).startswith("tuple")}

    def decode(value: dict[str, Any]) -> Any:
        known = {name: item for name, item in value.items() if name in fields}
        return cls(**{k: tuple(v) if k in tuples and isinstance(v, list) else v for k, v in known.items()})

    register_type(cls, f"siteadmin.{cls.__name__}", _encode, decode)
    return cls


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class RetryResult:
    """What became of an operation that may be tried several times."""

    success: bool
    result: Any = None
    error: str | None = None
    attempts: int = 0
    moved_to_dlq: bool = False


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class SweepResult:
    """How many waiting rows were handed to the broker again, by step."""

    dispatched: dict[str, int] = dataclasses.field(default_factory=dict)
    error: str | None = None


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class ForgetResult:
    """How many rows went because they were too old."""

    removed: int = 0
