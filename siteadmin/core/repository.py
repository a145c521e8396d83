"""The repository layer: thirteen methods on every model's manager, beside Django's own.

Nothing here opens or commits a transaction on its own account: each call joins the caller's.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)


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
        try:
            return self.get_queryset().filter(pk=entity_id).first()
        except (TypeError, ValueError, OverflowError):
            return None

    def get_all(self) -> Sequence[M]:
        """Give every row by ascending key; for small tables only."""
        return list(self.get_queryset().order_by("pk"))

    def list_paginated(self, skip: int = 0, limit: int = 100) -> Sequence[M]:
        """Give `limit` rows after the first `skip`, by ascending key; negative numbers count as 0."""
        skip, limit = max(skip, 0), max(limit, 0)
        return list(self.get_queryset().order_by("pk")[skip : skip + limit])

    def get_many(self, ids: Iterable[Any]) -> Sequence[M]:
        """Give the rows with these keys in the order asked; unknown ones are left out."""
        wanted = list(ids)
        found = self.get_queryset().in_bulk(wanted)
        to_python = self.model._meta.pk.to_python
        return [found[key] for key in map(to_python, wanted) if key in found]

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
        """Put a detached copy's state onto the stored row, or insert it, and give the stored row back."""
        stored = self.get_queryset().select_for_update(of=("self",)).filter(pk=entity.pk).first() if entity.pk else None
        if stored is None:
            return self.save(entity)
        for field in self.model._meta.concrete_fields:
            if not field.primary_key and field.attname in entity.__dict__ and not field.generated:
                setattr(stored, field.attname, getattr(entity, field.attname))
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

    def exists(self, entity_id: Any = None) -> bool:
        """Tell whether a row with this key exists; without a key, whether any row does."""
        if entity_id is None:
            return self.get_queryset().exists()
        try:
            return self.get_queryset().filter(pk=entity_id).exists()
        except (TypeError, ValueError, OverflowError):
            return False

    def count(self) -> int:
        """Count all rows exactly."""
        return self.get_queryset().count()
