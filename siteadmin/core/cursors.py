"""Keyset paging: the place in a list as a signed text, and the condition for what lies beyond it.

A place is the values of the ordering fields of one row, its id last, so it stays right while rows come and go.
Nulls sort last in both directions; where a field cannot be null, plain orderings are used, which indexes serve.
"""

import base64
import json
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Field, Q, QuerySet
from django.db.models.expressions import OrderBy

from siteadmin.core.exceptions import InvalidInputError

_SIGNER = signing.Signer(salt="siteadmin.core.cursors")


@dataclass(slots=True, frozen=True)
class Key:
    """One field by which a list is ordered."""

    name: str
    descending: bool
    nullable: bool
    field: Any

    def order(self, *, backwards: bool) -> OrderBy:
        """Give the ORDER BY term; backwards it is the exact reverse, nulls first."""
        expression = F(self.name)
        descending = self.descending != backwards
        nulls: dict[str, Any] = {} if not self.nullable else {"nulls_first" if backwards else "nulls_last": True}
        return expression.desc(**nulls) if descending else expression.asc(**nulls)

    def equals(self, value: Any) -> Q:
        """Rows at the same place."""
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def beyond(self, value: Any, *, backwards: bool) -> Q | None:
        """Rows beyond this place, None where there can be none."""
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if backwards else None
        beyond = Q(**{f"{self.name}__{'lt' if self.descending != backwards else 'gt'}": value})
        return beyond | Q(**{f"{self.name}__isnull": True}) if self.nullable and not backwards else beyond


@dataclass(slots=True, frozen=True)
class Place:
    """Where a page starts: beyond these values, or with `inclusive` at them."""

    values: tuple[Any, ...]
    backwards: bool = False
    inclusive: bool = False


@dataclass(slots=True, frozen=True)
class Keyset:
    """The fields that order a list, the primary key last."""

    keys: tuple[Key, ...]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Self:
        """Read the order of these rows; the primary key joins as tie-breaker, in the direction of the first field.

        Raises TypeError for an order by anything but names and plain F expressions.
        """
        model = rows.model
        words = list(rows.query.order_by or (model._meta.ordering if rows.query.default_ordering else ()) or ())
        keys = [cls._key(rows, word) for word in words]
        identity = model._meta.pk
        if identity.name not in (key.name for key in keys):
            keys.append(Key(identity.name, bool(keys) and keys[0].descending, nullable=False, field=identity))
        # Beyond the primary key nothing is left to order.
        end = next(index for index, key in enumerate(keys) if key.name == identity.name)
        return cls(tuple(keys[: end + 1]))

    @staticmethod
    def _key(rows: QuerySet[Any], word: Any) -> Key:
        if isinstance(word, OrderBy) and isinstance(word.expression, F):
            name, descending = str(getattr(word.expression, "name")), word.descending  # noqa: B009 - stubs lack it
        elif isinstance(word, str):
            name, descending = word.removeprefix("-"), word.startswith("-")
        else:
            raise TypeError(f"A list can be paged by names of fields only, not by {word!r}")
        if name == "pk":
            name = rows.model._meta.pk.name
        if name in rows.query.annotations:
            return Key(name, descending, nullable=True, field=rows.query.annotations[name].output_field)
        model: Any = rows.model
        field: Any = None
        nullable = False
        for part in name.split("__"):
            field = _field(model, part)
            nullable = nullable or field.null
            model = field.related_model
        return Key(name, descending, nullable=nullable, field=getattr(field, "target_field", field))

    @property
    def signature(self) -> str:
        """Name the order, so that a cursor is not taken for a place in another one."""
        return ",".join(("-" if key.descending else "") + key.name for key in self.keys)

    def ordered(self, rows: QuerySet[Any], *, backwards: bool = False) -> QuerySet[Any]:
        """Give the rows in this order, or in its reverse."""
        return rows.order_by(*(key.order(backwards=backwards) for key in self.keys))

    def beyond(self, rows: QuerySet[Any], place: Place) -> QuerySet[Any]:
        """Narrow the rows to what lies beyond the place."""
        condition, same = Q(pk__in=[]), Q()
        for key, value in zip(self.keys, place.values, strict=True):
            here = key.beyond(value, backwards=place.backwards)
            if here is not None:
                condition |= same & here
            same &= key.equals(value)
        if place.inclusive:
            condition |= same
        first, value = self.keys[0], place.values[0]
        if len(self.keys) > 1 and not first.nullable:
            # Says nothing new, but lets an index start its scan at the place.
            bound = "lte" if first.descending != place.backwards else "gte"
            condition = Q(**{f"{first.name}__{bound}": value}) & condition
        return rows.filter(condition)

    def place_of(self, row: Any, *, backwards: bool = False) -> Place:
        """Give the place of this row."""
        return Place(tuple(_value(row, key.name) for key in self.keys), backwards=backwards)

    def write(self, place: Place) -> str:
        """Give the place as an opaque text for an address."""
        flags = int(place.backwards) + 2 * int(place.inclusive)
        plain = json.dumps([self.signature, flags, [_plain(value) for value in place.values]], separators=(",", ":"))
        text = base64.urlsafe_b64encode(zlib.compress(plain.encode())).decode().rstrip("=")
        return _SIGNER.sign(text).replace(":", ".")

    def read(self, text: str) -> Place:
        """Read a place; raises InvalidInputError where the text is none of ours or of another order."""
        try:
            packed = _SIGNER.unsign(text.replace(".", ":"))
            content = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
            signature, flags, values = json.loads(content)
            if signature != self.signature:
                raise ValueError("the cursor is of another order")
            parsed = tuple(
                None if value is None else key.field.to_python(value)
                for key, value in zip(self.keys, values, strict=True)
            )
        except (signing.BadSignature, ValueError, TypeError, zlib.error, ValidationError) as error:
            message = "The 'cursor' parameter is not valid here; take it from 'next' or 'previous' of the same list"
            raise InvalidInputError(
                message, errors=[{"field": "cursor", "code": "invalid", "detail": message}]
            ) from error
        return Place(parsed, backwards=bool(flags & 1), inclusive=bool(flags & 2))


def _field(model: Any, name: str) -> Field[Any, Any]:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            found: Field[Any, Any] = field
            return found
    raise FieldDoesNotExist(f"{model.__name__} has no column {name!r} to page by")


def _value(row: Any, path: str) -> Any:
    for part in path.split("__"):
        row = getattr(row, part, None)
    return getattr(row, "pk", row)


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
