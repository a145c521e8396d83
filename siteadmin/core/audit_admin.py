"""Recording what the admin pages of Django's own models do, which no service of ours changes: people and groups."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm

from siteadmin.core.audit import CHANGED, HIDDEN, record, record_created, record_deleted, state_of


class RecordedAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A page whose adding, changing and deleting is recorded in the transaction that does it."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Look at the row as it was."""
        form.state_before = state_of(type(obj)._default_manager.get(pk=obj.pk)) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Record the row once its many-to-many fields are saved too."""
        super().save_related(request, form, formsets, change)
        row, before = form.instance, form.state_before
        if before is None:
            record_created(row)
            return
        row.refresh_from_db()
        after = state_of(row)
        if after != before:
            record("update", row, before=before, after=after)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Record what goes."""
        with transaction.atomic():
            record_deleted(obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Record each that goes."""
        with transaction.atomic():
            for row in queryset:
                record_deleted(row)
            super().delete_queryset(request, queryset)


class RecordedPasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]  # unfold has no types
    """Another person's new password."""

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's own form
        """Store and record it."""
        with transaction.atomic():
            user = super().save(commit)
            record_password(user)
        return user


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    """Let somebody change their own password, as the admin site does, and record it."""
    with transaction.atomic():
        answer: HttpResponseBase = admin.site.admin_view(admin.site.password_change, cacheable=True)(request)
        if request.method == "POST" and answer.status_code == 302 and isinstance(request.user, AbstractUser):
            record_password(request.user)
    return answer


def record_password(user: AbstractUser) -> None:
    """Record that somebody has a new password."""
    record("change_password", user, before={"password": HIDDEN}, after={"password": CHANGED})
