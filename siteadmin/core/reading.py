"""Rows read as plain values: binary, with the parameters bound by the server, and prepared where it pays."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import BooleanField, Expression, Func, QuerySet, TextField
from psycopg.pq import Format

Row = tuple[Any, ...]


class _RowCursor(psycopg.Cursor[Row]):
    """Reads binary; Django's own cursors read texts, and its loaders for these are written in Python."""

    def __init__(self, connection: psycopg.Connection[Any], *, is_prepared: bool) -> None:
        super().__init__(connection)
        self.format = Format.BINARY
        self.is_prepared = is_prepared

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run the statement."""
        return super().execute(query, params, prepare=self.is_prepared, **options)


class Parameter(Expression):
    """Stands in a queryset for a value that each run of its statement brings along."""

    def __init__(self, number: int) -> None:
        super().__init__(output_field=TextField())  # never asked: what it is compared with says its type
        self.number = number

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Leave its place to the run."""
        return "%s", [self]


class OneOf(Func):
    """`column IN (%s, ...)`, the column first."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Write it."""
        (column, given), *members = map(compiler.compile, self.get_source_expressions())
        words = ", ".join(sql for sql, _ in members)
        return f"{column} IN ({words})", [*given, *(value for _, values in members for value in values)]


class Statement:
    """A `values_list` written as SQL once, and run with other parameters each time.

    `is_prepared`: it is also planned once a connection, without regard to its parameters; for statements of which
    there are few, and whose plan is always the same.
    """

    def __init__(self, rows: "QuerySet[Any, Any]", *, is_prepared: bool = False) -> None:
        self.using, self.is_prepared = rows.db, is_prepared
        try:
            self.sql, self.parameters = rows.query.sql_with_params()
        except EmptyResultSet:
            self.sql, self.parameters = "", ()

    def takes(self, numbers: Iterable[int]) -> bool:
        """Tell whether the parameters of these numbers all stand in it."""
        return not self.sql or {one.number for one in self.parameters if isinstance(one, Parameter)}.issuperset(numbers)

    def run(self, values: Sequence[Any] = ()) -> list[Row]:
        """Give all rows; counted and logged as every other statement of Django's."""
        if not self.sql:
            return []
        filled = [values[one.number] if isinstance(one, Parameter) else one for one in self.parameters]
        connection = connections[self.using]
        connection.ensure_connection()
        cursor = _RowCursor(cast("Any", connection.connection), is_prepared=self.is_prepared)
        with connection._prepare_cursor(cursor) as wrapped:  # type: ignore[attr-defined]  # the door to its own cursors
            wrapped.execute(self.sql, filled)
            return cast("list[Row]", wrapped.fetchall())


def fetch_prepared(sql: str, values: Mapping[str, Any], *, using: str) -> list[Row]:
    """Run a statement whose plan is the same whatever its values are, planned once a connection, and give its rows.

    It may write. Values are bound by the server, so their types must be plain from the text.
    """
    connection = connections[using]
    connection.ensure_connection()
    cursor = _RowCursor(cast("Any", connection.connection), is_prepared=True)
    with connection._prepare_cursor(cursor) as wrapped:  # type: ignore[attr-defined]  # the door to its own cursors
        wrapped.execute(sql, values)
        return cast("list[Row]", wrapped.fetchall())
