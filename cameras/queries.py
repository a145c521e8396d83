"""Conditions on rows that belong to cameras."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def of_active_cameras(rows: Rows) -> Rows:
    """Leave out rows of deleted cameras.

    Deleted cameras are few, and the database gathers them once. A join would leave the planner a choice, which it
    makes by guesses: with millions of rows it may sort them all for the first fifty.
    """
    camera: type[Model] = rows.model._meta.get_field("camera").related_model
    deleted = camera._default_manager.filter(deleted_at__isnull=False).order_by().values("pk")
    return rows.exclude(camera__in=deleted)
