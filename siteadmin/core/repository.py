"""The repository layer: thirteen methods on every model's manager, beside Django's own.

Nothing here opens or commits a transaction on its own account: each call joins the caller's.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.expressions import DatabaseDefault

M = TypeVar("M", bound=models.Model)

LARGEST_ID = 2**63 - 1
"""PostgreSQL's largest bigint; a larger number in a query is an error there, not a row that is missing."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates, which no text in PostgreSQL holds."""
_NOT_HELD: Any = object()


class RepositoryQuerySet(models.QuerySet[M]):
    """Base of the chainable reads."""

    def count_up_to(self, limit: int) -> int:
        """Count the rows, but stop at `limit`: a long history must not make a page slow."""
        return self.order_by()[:limit].count()


class Repository(models.Manager[M]):
    """One-row look-ups and atomic writes that every model's manager has.

    Use as `class CameraRepository(Repository["Camera"].from_queryset(...))`; see `cameras/repositories.py`.
    """

    def get_by_id(self, entity_id: Any) -> M | None:
        """Give the row with this primary key, or None; an id of the wrong form is one that nothing has."""
        key = self._key(entity_id)
        return None if key is None else self.get_queryset().filter(pk=key).first()

    def get_all(self) -> Sequence[M]:
        """Give every row by ascending key; for small tables only."""
        return list(self.get_queryset().order_by("pk"))

    def list_paginated(self, skip: int = 0, limit: int = 100) -> Sequence[M]:
        """Give `limit` rows after the first `skip`, by ascending key; negative numbers count as 0."""
        skip, limit = min(max(skip, 0), LARGEST_ID), min(max(limit, 0), LARGEST_ID)
        return list(self.get_queryset().order_by("pk")[skip : min(skip + limit, LARGEST_ID)])

    def get_many(self, ids: Iterable[Any]) -> Sequence[M]:
        """Give the rows with these keys in the order asked; unknown ones are left out."""
        wanted = [key for key in map(self._key, ids) if key is not None]
        found = self.get_queryset().in_bulk(wanted)
        return [found[key] for key in wanted if key in found]

    def lock(self, entity_id: Any) -> M | None:
        """Give the row with this key, locked until the caller's transaction ends, or None."""
        return next(iter(self.lock_many([entity_id])), None)

    def lock_many(self, ids: Iterable[Any]) -> Sequence[M]:
        """Give the rows with these keys, locked until the caller's transaction ends; unknown ones are left out.

        Always in the same order, so that two who lock the same rows never wait for each other.
        """
        wanted = [key for key in map(self._key, ids) if key is not None]
        rows = self.get_queryset().filter(pk__in=wanted).order_by("pk")
        return list(rows.select_for_update(of=("self",), no_key=True))

    def count_change(self, entity_id: Any) -> None:
        """Count up the `version` of a row that a person changed."""
        self.get_queryset().filter(pk=entity_id).update(version=models.F("version") + 1)

    # Django's `create(**fields)` stays; `create(entity)` is the repository's.
    def create(self, entity: M | None = None, **fields: Any) -> M:
        """Insert this new entity (or, as Django has it, one made of these fields) and give it back."""
        if entity is None:
            return super().create(**fields)
        entity.save(force_insert=True, using=self.db)
        return entity

    def create_many(self, entities: Iterable[M]) -> Sequence[M]:
        """Insert all entities by one statement per batch and give them back with their keys."""
        return super().bulk_create(list(entities), batch_size=1000)

    # Django's `update(**fields)` stays; `update(entity)` is the repository's.
    def update(self, entity: M | None = None, **fields: Any) -> Any:
        """Write every field of a stored entity and give it back; with fields alone, Django's own update."""
        if entity is None:
            return super().update(**fields)
        entity.save(force_update=True, using=self.db)
        return entity

    def merge(self, entity: M) -> M:
        """Put a detached copy's state onto the stored row, or insert it, and give the stored row back.

        What the copy does not hold (deferred fields, values that the database is to give) stays as stored.
        """
        key = self._key(entity.pk)
        with transaction.atomic(using=self.db):
            stored = None if key is None else self.get_queryset().select_for_update(of=("self",)).filter(pk=key).first()
            if stored is None:
                return self.save(entity)
            for field in self.model._meta.concrete_fields:
                value = entity.__dict__.get(field.attname, _NOT_HELD)
                if not (
                    field.primary_key or field.generated or value is _NOT_HELD or isinstance(value, DatabaseDefault)
                ):
                    setattr(stored, field.attname, value)
            stored.save(force_update=True, using=self.db)
            return stored

    def save(self, entity: M) -> M:
        """Insert or update, whichever this entity needs, and give it back."""
        entity.save(using=self.db)
        return entity

    def delete(self, entity: M) -> None:
        """Delete this row."""
        entity.delete(using=self.db)

    def delete_by_id(self, entity_id: Any) -> bool:
        """Delete the row with this key; False where there was none."""
        entity = self.get_by_id(entity_id)
        if entity is None:
            return False
        self.delete(entity)
        return True

    def exists(self, entity_id: Any = _NOT_HELD) -> bool:
        """Tell whether a row with this key exists; without a key, whether any row does."""
        if entity_id is _NOT_HELD:
            return self.get_queryset().exists()
        key = self._key(entity_id)
        return key is not None and self.get_queryset().filter(pk=key).exists()

    def count(self) -> int:
        """Count all rows exactly."""
        return self.get_queryset().count()

    def _key(self, entity_id: Any) -> Any:
        """Give the id as the key's own type, or None for one that no row can have."""
        try:
            key = self.model._meta.pk.to_python(entity_id)
        except (ValidationError, TypeError, ValueError, OverflowError):
            return None
        if isinstance(key, str) and UNSTORABLE.search(key):
            return None
        if isinstance(key, int) and not -LARGEST_ID <= key <= LARGEST_ID:
            return None
        return key
