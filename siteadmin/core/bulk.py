"""Many rows at once: COPY, and tables without their indexes while it runs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from django.db import connection
from django.db.models import Field, Model

INDEXES = """
SELECT index.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class index ON index.oid = i.indexrelid
WHERE i.indrelid = ANY(%s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
ORDER BY index.relname
"""
FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid)
FROM pg_constraint c WHERE c.conrelid = ANY(%s::regclass[]) AND c.contype = 'f'
ORDER BY c.conname
"""


def columns_of(model: type[Model], fields: Iterable[str]) -> str:
    """Give the columns of these fields, quoted, as SQL lists them, and of all others that must have a value."""
    return ", ".join(f'"{field.column}"' for field in (*_named(model, fields), *_defaulted(model, fields)))


def copy_rows(model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[Any]], *, table: str = "") -> None:
    """Load rows, values in the order of these fields, into the model's table (or another of its form).

    Fields that are not named get the default that the model gives them.
    """
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in _defaulted(model, fields)]
    statement = f'COPY "{table or model._meta.db_table}" ({columns_of(model, fields)}) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row((*row, *defaults))


def _named(model: type[Model], names: Iterable[str]) -> list[Field[Any, Any]]:
    return [cast("Field[Any, Any]", model._meta.get_field(name)) for name in names]


def _defaulted(model: type[Model], named: Iterable[str]) -> list[Field[Any, Any]]:
    left = [field for field in model._meta.concrete_fields if field.name not in set(named)]
    return [
        field for field in left if not (field.null or field.primary_key or field.generated or field.has_db_default())
    ]


def take_ids(model: type[Model]) -> None:
    """Let new rows of this model come after those that were loaded with ids of their own."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT max(id) FROM {table}))",  # noqa: S608 - its name
            [table],
        )


@contextmanager
def unheard(models: Iterable[type[Model]]) -> Iterator[None]:
    """Keep these tables' triggers from noting changes during the block, inside the caller's transaction."""
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        # What waits to be checked would forbid the change.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@contextmanager
def without_indexes(models: Iterable[type[Model]]) -> Iterator[None]:
    """Take indexes and foreign keys off these tables, and make them again as they were after the block.

    Inside the caller's transaction, which alone brings them back where the block fails. Primary keys and other
    constraints stay.
    """
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        # What waits to be checked would forbid the changes.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(INDEXES, [tables])
        indexes = cursor.fetchall()
        cursor.execute(FOREIGN_KEYS, [tables])
        foreign_keys = cursor.fetchall()
        for table, name, _ in foreign_keys:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in foreign_keys:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
