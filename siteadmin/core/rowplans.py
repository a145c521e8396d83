"""How a resource's rows are read straight from the database, derived from its serializer.

A serializer says once what a resource shows. Where each of its fields shows a column as it is, a column of a row that
belongs to it, or an object made of such, the database can give the same without a model's instance, a serializer's
field or a call for each value; `plan_of` finds that out. A field that shows something else may say how the database
computes it (`as_column`); where one does not, the resource is read by its serializer, and nothing else changes.

Columns of other tables are scalar subqueries: unlike joins they leave the planner nothing to decide.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, F, Model, OuterRef, QuerySet, Subquery
from django.db.models.fields.related import ForeignKey
from django.db.models.fields.reverse_related import ManyToOneRel, OneToOneRel
from rest_framework import relations, serializers
from rest_framework.fields import _UnvalidatedField, empty

from siteadmin.core.cursors import Keyset, Place
from siteadmin.core.json_sql import Columns, InstantText, JsonList, JsonObject
from siteadmin.core.kept import KeptRows
from siteadmin.core.pagination import read_parts
from siteadmin.core.reading import Parameter, Row, Statement

AS_STORED = {
    kind.to_representation
    for kind in (
        serializers.BigIntegerField,
        serializers.BooleanField,
        serializers.CharField,
        serializers.ChoiceField,
        serializers.DateTimeField,
        serializers.DictField,
        serializers.FloatField,
        serializers.IntegerField,
        serializers.JSONField,
        serializers.ListField,
    )
}
"""How fields show what the column holds; whatever else a field does is its own."""


class Unplannable(Exception):  # noqa: N818 - nothing is wrong
    """This field needs Python."""


@runtime_checkable
class ComputedField(Protocol):
    """A field whose value the database can compute."""

    def as_column(self, column: F) -> Any:
        """Give the expression that makes of the column what `to_representation` makes of its value."""


Column = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The columns of a resource by the names of its fields; a field that is an object of columns has several."""

    columns: "dict[str, Column | dict[str, Column]]"

    def pick(self, names: Collection[str]) -> "RowPlan":
        """Leave out every field but these."""
        return RowPlan({name: column for name, column in self.columns.items() if name in names})

    def apply(self, rows: "QuerySet[Any]", *, ahead: Sequence[str] = ()) -> "QuerySet[Any, Row]":
        """Let the queryset give these columns, and others ahead of them.

        What the rows are ordered by must be among the others: Django orders by a column's number where it can, and
        knows all of ours as one, the last.
        """
        flat = [
            column
            for entry in self.columns.values()
            for column in (entry.values() if isinstance(entry, dict) else [entry])
        ]
        parameters = tuple(value for _, values in flat for value in values)
        return rows.values_list(*ahead, Columns(", ".join(sql for sql, _ in flat), parameters))

    def show(self, rows: Iterable[Row], *, skip: int = 0) -> list[dict[str, Any]]:
        """Give the rows as the serializer would, without what stands ahead."""
        names, objects, start = list(self.columns), [], skip
        for entry in self.columns.values():
            if isinstance(entry, dict):
                objects.append((start, start + len(entry), list(entry)))
            start += len(entry) if isinstance(entry, dict) else 1
        # From the end, so that the places of the others stay.
        for first, end, members in reversed(objects):
            rows = [(*row[:first], dict(zip(members, row[first:end])), *row[end:]) for row in rows]  # noqa: B905
        return [dict(zip(names, row[skip:])) for row in rows]  # noqa: B905 - checking each row takes a third longer


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """Reads a page of rows by a plan (`pagination.Reader`).

    `kept`: what was written as SQL for other requests of the same shape; `values`: what this one brings along.
    """

    plan: RowPlan
    kept: KeptRows | None = None
    values: tuple[Any, ...] = ()

    def read(self, rows: "QuerySet[Any]", keyset: Keyset, place: Place | None, *, count: int) -> list[Row]:
        """Read up to so many rows beyond the place."""
        if self.kept is None or not keyset.is_one_way:
            return read_parts(self, rows, keyset, place, count=count)
        found: list[Row] = []
        values = self.values if place is None else (*self.values, *place.values)
        for kind in keyset.kinds(place):
            statement = self._kept_statement(self.kept, rows, keyset, place, kind=kind, count=count)
            found += statement.run(values)
            if len(found) >= count:
                break
        return found[:count]

    def _kept_statement(
        self, kept: KeptRows, rows: "QuerySet[Any]", keyset: Keyset, place: Place | None, *, kind: Any, count: int
    ) -> Statement:
        shape = place and (place.backwards, place.inclusive, place.values[0] is None)
        statement = kept.statements.get((kind, count, shape))
        if statement is None:
            if place is not None:
                numbers = enumerate(place.values, start=len(self.values))
                place = replace(
                    place, values=tuple(None if value is None else Parameter(number) for number, value in numbers)
                )
            part = keyset.part(rows, place, kind)[:count]
            statement = self._statement(part, keyset, is_prepared=kept.is_prepared)
            if not statement.takes(range(len(self.values))):
                raise TypeError(f"A filter of {rows.model.__name__} left a parameter out")
            kept.keep((kind, count, shape), statement)
        return statement

    def fetch(self, rows: "QuerySet[Any]", keyset: Keyset) -> list[Row]:
        """Read these rows."""
        return self._statement(rows, keyset).run(self.values)

    def values_of(self, row: Row, keyset: Keyset) -> tuple[Any, ...]:
        """Give the values by which a row is ordered."""
        return row[: len(keyset.keys)]

    def show(self, rows: Sequence[Row], keyset: Keyset) -> list[dict[str, Any]]:
        """Give the rows as their serializer would."""
        return self.plan.show(rows, skip=len(keyset.keys))

    def _statement(self, rows: "QuerySet[Any]", keyset: Keyset, *, is_prepared: bool = False) -> Statement:
        """Write the statement, the values that order the rows ahead of what is shown."""
        ahead = [key.name for key in keyset.keys]
        return Statement(self.plan.apply(rows, ahead=ahead), is_prepared=is_prepared)


def plan_for(serializer_class: type[serializers.BaseSerializer[Any]], rows: "QuerySet[Any]") -> RowPlan | None:
    """Derive how such rows, annotations included, are read for this serializer; None where a field needs Python."""
    serializer = serializer_class()
    if not isinstance(serializer, serializers.Serializer):
        return None
    try:
        place = _Place(rows.model, annotations=frozenset(rows.query.annotations))
        return RowPlan({str(field.field_name): _column(field, place, rows) for field in _fields_of(serializer)})
    except Unplannable:
        return None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a serializer's fields are looked up: a row of this model, at the top or inside an object of JSON."""

    model: type[Model]
    annotations: frozenset[str] = frozenset()
    is_in_json: bool = False

    def inside(self, model: type[Model]) -> "_Place":
        """Give the same inside an object, of another model's row where it is one."""
        return _Place(model, frozenset() if model is not self.model else self.annotations, is_in_json=True)


def _column(field: Any, place: _Place, rows: "QuerySet[Any]") -> "Column | dict[str, Column]":
    if isinstance(field, serializers.Serializer) and field.source == "*":
        return {name: _compile(rows, expression) for name, expression in _members(field, place).items()}
    return _compile(rows, _expression(field, place))


def _fields_of(serializer: "serializers.Serializer[Any]") -> list[Any]:
    if type(serializer).to_representation not in (
        serializers.Serializer.to_representation,
        serializers.ModelSerializer.to_representation,
    ):
        raise Unplannable
    return list(serializer._readable_fields)


def _members(serializer: "serializers.Serializer[Any]", place: _Place) -> dict[str, Any]:
    return {str(field.field_name): _expression(field, place) for field in _fields_of(serializer)}


def _expression(field: Any, place: _Place) -> Any:
    path = list(field.source_attrs)
    if isinstance(field, ComputedField):
        return _follow(place, path, lambda at, name: field.as_column(F(name)))
    if isinstance(field, serializers.ListSerializer):
        return _list(field, place)
    if isinstance(field, serializers.Serializer):
        if field.source == "*":
            return JsonObject(**_members(field, place.inside(place.model)))
        return _follow(place, path, lambda at, name: _object(field, at, name))
    if isinstance(field, relations.SlugRelatedField):
        return _follow(place, [*path, str(field.slug_field)], _stored)
    if isinstance(field, relations.PrimaryKeyRelatedField):
        return _follow(place, path, _stored)
    if not path or field.default not in (empty, None) or not _shows_what_is_stored(field):
        raise Unplannable
    return _follow(place, path, _stored)


def _shows_what_is_stored(field: Any) -> bool:
    if type(field).to_representation not in AS_STORED or getattr(field, "coerce_to_string", False):
        return False
    inner = getattr(field, "child", None)
    return inner is None or isinstance(inner, _UnvalidatedField) or _shows_what_is_stored(inner)


def _stored(place: _Place, name: str) -> Any:
    """Give the column of this name."""
    if name in place.annotations:
        return F(name)
    found = _model_field(place.model, name)
    if not hasattr(found, "column"):
        raise Unplannable
    return InstantText(F(found.attname)) if place.is_in_json and isinstance(found, DateTimeField) else F(found.attname)


def _follow(place: _Place, path: Sequence[str], leaf: Callable[[_Place, str], Any]) -> Any:
    """Give what stands at the end of the path, each step to another table a scalar subquery."""
    first, *rest = path
    if not rest:
        return leaf(place, first)
    relation = _model_field(place.model, first)
    related = _related(relation)
    inner = _follow(_Place(related, is_in_json=place.is_in_json), rest, leaf)
    return Subquery(_joined(relation).values_list(inner))


def _object(field: "serializers.Serializer[Any]", place: _Place, name: str) -> Any:
    relation = _model_field(place.model, name)
    return Subquery(_joined(relation).values_list(JsonObject(**_members(field, place.inside(_related(relation))))))


def _list(field: "serializers.ListSerializer[Any]", place: _Place) -> Any:
    path = list(field.source_attrs)
    if type(field).to_representation is not serializers.ListSerializer.to_representation or len(path) != 1:
        raise Unplannable
    relation = _model_field(place.model, path[0])
    if not isinstance(relation, ManyToOneRel) or isinstance(relation, OneToOneRel):
        raise Unplannable
    related = _related(relation)
    rows = _joined(relation).order_by(*(related._meta.ordering or ()))
    child = cast("serializers.Serializer[Any]", field.child)
    return JsonList(rows.values_list(JsonObject(**_members(child, place.inside(related)))))


def _model_field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        found = next((field for field in model._meta.concrete_fields if field.attname == name), None)
        if found is None:
            raise Unplannable from None
        return found


def _related(relation: Any) -> type[Model]:
    if not isinstance(relation, (ForeignKey, ManyToOneRel)):
        raise Unplannable
    related: type[Model] = relation.related_model
    return related


def _joined(relation: Any) -> "QuerySet[Any]":
    """Give the rows on the relation's other side that belong to the outer row."""
    rows: QuerySet[Any] = _related(relation)._base_manager.order_by()
    if isinstance(relation, ForeignKey):
        return rows.filter(pk=OuterRef(relation.attname))
    return rows.filter(**{relation.field.attname: OuterRef("pk")})


def _compile(rows: "QuerySet[Any]", expression: Any) -> Column:
    """Write the expression as SQL over the rows' own table."""
    bare = rows.order_by().values_list("pk")
    query = bare.values_list(expression).query
    compiler = query.get_compiler(using=rows.db)
    compiler.setup_query()
    if _tables(query) != _tables(bare.query):
        raise Unplannable  # a join: the rows would have to bring it along
    _, (sql, parameters), _ = compiler.select[0]
    return sql, tuple(parameters)


def _tables(query: Any) -> set[str]:
    return {alias for alias, uses in query.alias_refcount.items() if uses}
