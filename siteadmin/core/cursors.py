"""Keyset paging: the place in a list as a signed text, and the condition for what lies beyond it.

A place is the values of the ordering fields of one row, its id last, so it stays right while rows come and go.
Nulls sort last in both directions. Where all fields are ordered in one direction, and none but the first can be null,
an index of these fields finds any place at once: the condition is one comparison of rows, and rows without a value in
the first field are a part of the list of their own (an index serves both where it says DESC NULLS LAST).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Self

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import BooleanField, Expression, F, Field, Func, Q, QuerySet, Value
from django.db.models.expressions import OrderBy

from siteadmin.core.exceptions import InvalidInputError
from siteadmin.core.json import to_json


class _Signer(signing.Signer):
    """Django's, which derives its key anew for each signature."""

    def signature(self, value: str | bytes, key: str | bytes | None = None) -> str:
        """Give the same, by a key that was derived once."""
        text = value.encode() if isinstance(value, str) else value
        digest = hmac.digest(_derived_key(self.salt, key or self.key), text, self.algorithm)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@cache
def _derived_key(salt: str, key: str | bytes) -> bytes:
    secret = key.encode() if isinstance(key, str) else key
    return hashlib.sha256(f"{salt}signer".encode() + secret).digest()


_SIGNER = _Signer(sep=".", salt="siteadmin.core.cursors")


@dataclass(slots=True, frozen=True)
class Key:
    """One field by which a list is ordered."""

    name: str
    descending: bool
    nullable: bool
    field: Any

    def order(self, *, backwards: bool, is_in_part: bool = False) -> OrderBy:
        """Give the ORDER BY term; backwards it is the exact reverse, nulls first.

        In a part that has either nulls alone or none, their place is as an index DESC NULLS LAST has it.
        """
        expression = F(self.name)
        descending = self.descending != backwards
        if not self.nullable:
            return expression.desc() if descending else expression.asc()
        nulls: dict[str, Any] = {"nulls_first" if backwards else "nulls_last": True}
        if is_in_part:
            nulls = {"nulls_last" if descending else "nulls_first": True}
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

    @property
    def is_one_way(self) -> bool:
        """Whether one comparison of rows says what lies beyond a place."""
        first, *rest = self.keys
        return all(key.descending == first.descending and not key.nullable for key in rest)

    def kinds(self, place: Place | None = None) -> list[bool | None]:
        """Give the parts that lie beyond the place, in the direction in which it looks.

        None: all rows are one; else those that have no value in the first field, and those that have one.
        """
        if not self.keys[0].nullable:
            return [None]
        kinds: list[bool | None] = [True, False] if place is not None and place.backwards else [False, True]
        return kinds if place is None else kinds[kinds.index(place.values[0] is None) :]

    def part(self, rows: QuerySet[Any], place: Place | None, kind: bool | None) -> QuerySet[Any]:  # noqa: FBT001 - kinds
        """Give what of this part lies beyond the place."""
        first, backwards = self.keys[0], place is not None and place.backwards
        if kind is None:
            return self._ordered(rows if place is None else self._beyond(rows, place), backwards=backwards)
        part = rows.filter(**{f"{first.name}__isnull": kind})
        if place is not None and kind == (place.values[0] is None):
            # Where all are null, the other fields say what lies beyond.
            part = self._beyond(part, place, skip=1 if kind else 0)
        return self._ordered(part, backwards=backwards, is_in_part=True)

    def parts(self, rows: QuerySet[Any], place: Place | None = None) -> Iterator[QuerySet[Any]]:
        """Give what lies beyond the place, in the direction in which it looks: one queryset, or two, one by one."""
        for kind in self.kinds(place):
            yield self.part(rows, place, kind)

    def _ordered(self, rows: QuerySet[Any], *, backwards: bool, is_in_part: bool = False) -> QuerySet[Any]:
        return rows.order_by(*(key.order(backwards=backwards, is_in_part=is_in_part) for key in self.keys))

    def _beyond(self, rows: QuerySet[Any], place: Place, *, skip: int = 0) -> QuerySet[Any]:
        keys, values = self.keys[skip:], place.values[skip:]
        if self.is_one_way:
            return _compared(rows, keys, values, place)
        condition, same = Q(pk__in=[]), Q()
        for key, value in zip(keys, values, strict=True):
            here = key.beyond(value, backwards=place.backwards)
            if here is not None:
                condition |= same & here
            same &= key.equals(value)
        if place.inclusive:
            condition |= same
        first, value = keys[0], values[0]
        if value is not None and (skip == 0 or not first.nullable):
            # Says nothing new of a part without nulls, but lets an index start its scan at the place.
            bound = "lte" if first.descending != place.backwards else "gte"
            condition = Q(**{f"{first.name}__{bound}": value}) & condition
        return rows.filter(condition)

    def place_of(self, row: Any, *, backwards: bool = False) -> Place:
        """Give the place of this row."""
        return Place(self.values_of(row), backwards=backwards)

    def values_of(self, row: Any) -> tuple[Any, ...]:
        """Give the values by which this row is ordered."""
        return tuple(_value(row, key.name) for key in self.keys)

    def write(self, place: Place) -> str:
        """Give the place as an opaque text for an address."""
        flags = int(place.backwards) + 2 * int(place.inclusive)
        plain = to_json([self.signature, flags, [_plain(value) for value in place.values]])
        return _SIGNER.sign(base64.urlsafe_b64encode(plain).decode().rstrip("="))

    def read(self, text: str) -> Place:
        """Read a place; raises InvalidInputError where the text is none of ours or of another order."""
        try:
            packed = _SIGNER.unsign(text)
            signature, flags, values = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
            if signature != self.signature:
                raise ValueError("the cursor is of another order")
            parsed = tuple(
                None if value is None else key.field.to_python(value)
                for key, value in zip(self.keys, values, strict=True)
            )
        except (signing.BadSignature, ValueError, TypeError, ValidationError) as error:
            message = "The 'cursor' parameter is not valid here; take it from 'next' or 'previous' of the same list"
            raise InvalidInputError(
                message, errors=[{"field": "cursor", "code": "invalid", "detail": message}]
            ) from error
        return Place(parsed, backwards=bool(flags & 1), inclusive=bool(flags & 2))


class _RowComparison(Func):
    """`(a, b) < (1, 2)`: columns against values, the first that differ decide."""

    output_field = BooleanField()

    def __init__(self, keys: Sequence[Key], values: Sequence[Any], *, sign: str) -> None:
        super().__init__(
            *(F(key.name) for key in keys),
            *(
                value if isinstance(value, Expression) else Value(value, output_field=key.field)
                for key, value in zip(keys, values, strict=True)
            ),
        )
        self.sign = sign

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Write it."""
        words, parameters = [], []
        for expression in self.get_source_expressions():
            sql, further = compiler.compile(expression)
            words.append(sql)
            parameters += further
        half = len(words) // 2
        return f"({', '.join(words[:half])}) {self.sign} ({', '.join(words[half:])})", parameters


def _compared(rows: QuerySet[Any], keys: Sequence[Key], values: Sequence[Any], place: Place) -> QuerySet[Any]:
    sign = "<" if keys[0].descending != place.backwards else ">"
    return rows.filter(_RowComparison(keys, values, sign=f"{sign}=" if place.inclusive else sign))


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
