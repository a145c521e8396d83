"""Bases of the admin pages: big tables are not counted, what the pipeline owns is looked at only, and whoever is
limited to cameras sees no row, choice or filter of another."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.filters import FieldListFilter, RelatedFieldListFilter
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin, TabularInline

from siteadmin.core.exceptions import SecurityIntelligenceError
from siteadmin.core.pagination import count_rows
from siteadmin.core.permissions import camera_access

R = TypeVar("R", bound=Model)


def act_on_each(request: HttpRequest, rows: Iterable[R], act: Callable[[R], object], *, done: str) -> None:
    """Do it with each row, and say on the page how many were done and what was refused."""
    count = 0
    for row in rows:
        try:
            act(row)
            count += 1
        except SecurityIntelligenceError as refusal:
            messages.error(request, f"{row}: {refusal.message}")
    if count:
        messages.success(request, f"{count} {done}.")


class EstimatedCountPaginator(Paginator[Model]):
    """An exact count of short lists, the planner's estimate of long ones, filtered or not."""

    @cached_property
    def count(self) -> int:
        """Give the number of rows."""
        rows: Any = self.object_list
        return count_rows(rows)[0]


def visible_rows(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Keep what whoever asks may see of any model's rows.

    The model names the path to its camera (`camera_path`); without one its rows belong to no camera.
    """
    camera_ids = camera_access(request).camera_ids
    if camera_ids is None:
        return rows
    path = getattr(rows.model, "camera_path", None)
    return rows.none() if path is None else rows.filter(**{f"{path}__in": camera_ids})


class NarrowedChoices:
    """A page or part of one whose choices of other rows end with the cameras of whoever asks."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and take, only what may be seen; a row of no camera is nothing that somebody limited may make."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(field, forms.ModelChoiceField) and camera_access(request).camera_ids is not None:
            field.queryset = visible_rows(request, field.queryset)  # type: ignore[arg-type]
            if db_field.attname == getattr(db_field.model, "camera_path", None):
                field.required = True
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and take, only what may be seen."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = visible_rows(request, field.queryset)  # type: ignore[arg-type]
        return field


class BaseAdmin(NarrowedChoices, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Base of all admin pages; `get_rows`, not `get_queryset`, is what a page overrides."""

    paginator = EstimatedCountPaginator
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    compressed_fields = True

    def get_rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Give the rows of this page, before anything is hidden."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Give the rows that whoever asks may know of: in lists, on pages of their own, to actions and as choices."""
        return visible_rows(request, self.get_rows(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Give the row; an id that no row can have (PostgreSQL keeps no NUL) is one that nothing has."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)


class BaseInline(NarrowedChoices, TabularInline):  # type: ignore[misc]  # unfold has no types
    """Base of all parts of a page that show rows of another model."""


class ReadOnlyAdmin(BaseAdmin):
    """Rows that the pipeline owns: to be seen, not to be changed by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows by hand."""
        return False


class VisibleRelatedFilter(RelatedFieldListFilter):
    """The filter by another row, whose choices end with the cameras of whoever asks."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Give the rows that may be chosen."""
        visible = visible_rows(request, field.remote_field.model._default_manager.all())
        limit = {} if camera_access(request).camera_ids is None else {"limit_choices_to": Q(pk__in=visible)}
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, **limit)


FieldListFilter.register(lambda field: bool(field.remote_field), VisibleRelatedFilter, take_priority=True)
