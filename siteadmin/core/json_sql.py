"""JSON made by the database, in the form in which the serializers give it."""

from typing import Any

from django.db.models import CharField, Expression, Func, JSONField, Subquery


class JsonObject(Func):
    """An object of these members, in their order."""

    function = "json_build_object"

    def __init__(self, **members: Any) -> None:
        super().__init__(*members.values(), output_field=JSONField())
        self.names = list(members)

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        """Write the names as literals, so that they need no types."""
        words, parameters = [], []
        for name, member in zip(self.names, self.get_source_expressions(), strict=True):
            sql, further = compiler.compile(member)
            words += [f"'{name}'", sql]
            parameters += further
        return f"{self.function}({', '.join(words)})", tuple(parameters)


class JsonList(Subquery):
    """The one column of a queryset's rows as a list, in their order."""

    template = "COALESCE((SELECT json_agg(item.value) FROM (%(subquery)s) AS item(value)), '[]')"

    def __init__(self, queryset: Any) -> None:
        super().__init__(queryset, output_field=JSONField())


class InstantText(Func):
    """A time as text in UTC: with six digits of a second's fraction, or none."""

    template = (
        "replace(to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '.000000Z', 'Z')"
    )

    def __init__(self, expression: Any) -> None:
        super().__init__(expression, output_field=CharField())


class Columns(Expression):
    """Columns written beforehand as SQL, together standing where Django expects one."""

    def __init__(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        super().__init__(output_field=JSONField())
        self.sql, self.parameters = sql, parameters

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Give them."""
        return self.sql, self.parameters
