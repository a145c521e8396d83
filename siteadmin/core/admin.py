"""Bases of the admin pages: big tables are not counted, services make the changes, what the pipeline owns is looked at
only, and whoever is limited to cameras sees no row, choice or filter of another."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.filters import FieldListFilter, RelatedFieldListFilter, SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin, TabularInline

from siteadmin.core.exceptions import SecurityIntelligenceError, ValidationError
from siteadmin.core.pagination import count_rows
from siteadmin.core.permissions import camera_access

M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=Model)
VERSION = "expected_version"
"""The form's field that holds the version which the page showed."""


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


class WaitingFilter(SimpleListFilter):
    """Leaves what waits for its step of the pipeline (`core.claims`), as the dashboard counts it."""

    title = "work"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give the other choice than all."""
        return [("yes", "Waiting")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what was asked for."""
        return queryset.filter(due_at__isnull=False) if self.value() == "yes" else queryset


class VisibleRelatedFilter(RelatedFieldListFilter):
    """The filter by another row, whose choices end with the cameras of whoever asks."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Give the rows that may be chosen."""
        visible = visible_rows(request, field.remote_field.model._default_manager.all())
        limit = {} if camera_access(request).camera_ids is None else {"limit_choices_to": Q(pk__in=visible)}
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, **limit)


FieldListFilter.register(lambda field: bool(field.remote_field), VisibleRelatedFilter, take_priority=True)


class VersionedForm(forms.ModelForm[M]):
    """A form that knows which version its page showed, so that nobody overwrites what they have not seen."""

    expected_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial[VERSION] = getattr(self.instance, "version", None)


class ServiceAdmin(BaseAdmin):
    """A page whose changes services make; what they refuse is said on the page.

    `create` takes the fields, `change` id, fields and version, `delete` the id; a page may call others by itself.
    """

    create: ClassVar[Callable[..., Model]]
    change: ClassVar[Callable[..., Model]]
    delete: ClassVar[Callable[..., object]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Show nothing of a row that is not there yet."""
        shown: Sequence[str] = super().get_readonly_fields(request, obj)
        return () if obj is None else shown

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Let the form carry the version to whoever may change the row."""
        shown = [
            (title, {**options, "fields": [name for name in options["fields"] if name != VERSION]})
            for title, options in super().get_fieldsets(request, obj)
        ]
        shown[-1][1]["fields"] += self.version_field(request, obj)
        return shown

    def version_field(self, request: HttpRequest, obj: Any) -> list[str]:
        """Give the hidden field of the version, where somebody may change the row."""
        is_carried = obj is not None and issubclass(self.form, VersionedForm)
        return [VERSION] if is_carried and self.has_change_permission(request, obj) else []

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show and take the form; nothing is saved of one that a service refuses."""
        try:
            answer: HttpResponseBase = super().changeform_view(request, *args, **kwargs)
        except SecurityIntelligenceError as refusal:
            messages.error(request, f"Nothing was saved: {told(refusal)}")
            return redirect(request.path)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Store by the service; of a row that exists only what was changed on the page."""
        if change:
            fields = {name: form.cleaned_data[name] for name in form.changed_data if name != VERSION}
            type(self).change(obj.pk, fields=fields, expected_version=form.cleaned_data.get(VERSION))
        else:
            fields = {name: value for name, value in form.cleaned_data.items() if name != VERSION}
            obj.pk = type(self).create(fields=fields).pk
            obj._state.adding = False
        self.press_button(request, obj)

    def press_button(self, request: HttpRequest, obj: Any) -> None:
        """Do what the button beside "Save" says that was pressed; unfold's own `save_model` is not called."""
        for button in self.get_actions_submit_line(request, obj.pk):
            if button.action_name in request.POST:
                button.method(request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete by the service."""
        self._delete_each(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete each by the service."""
        self._delete_each(request, queryset)

    def _delete_each(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        for row in rows:
            try:
                type(self).delete(row.pk)
            except SecurityIntelligenceError as refusal:
                messages.error(request, f"{row} stays: {told(refusal)}")


def told(refusal: SecurityIntelligenceError) -> str:
    """Say what a service refused, with what is wrong with each field."""
    details = refusal.errors if isinstance(refusal, ValidationError) else []
    return " ".join([f"{refusal.message.rstrip('.')}.", *(one["detail"] for one in details)])


def save_lines(
    formset: Any,
    *,
    create: Callable[[dict[str, Any]], Model] | None = None,
    change: Callable[[Any, dict[str, Any]], Model] | None = None,
    delete: Callable[[Any], object],
) -> None:
    """Store the lines of an inline by services: the new ones, the changed ones, those ticked off."""
    formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
    for line in formset.initial_forms:
        if line in formset.deleted_forms:
            delete(line.instance.pk)
            formset.deleted_objects.append(line.instance)
        elif line.has_changed() and change is not None:
            fields = {name: line.cleaned_data[name] for name in line.changed_data}
            formset.changed_objects.append((change(line.instance.pk, fields), line.changed_data))
    for line in formset.extra_forms:
        if line.has_changed() and line not in formset.deleted_forms and create is not None:
            fields = {name: line.cleaned_data[name] for name in line._meta.fields}
            formset.new_objects.append(create(fields))
