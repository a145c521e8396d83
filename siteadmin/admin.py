"""The admin pages of the kernel's models; each app's own are in its `admin`."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from cameras.models import Camera
from siteadmin.core.admin import BaseAdmin, ReadOnlyAdmin
from siteadmin.core.exceptions import SecurityIntelligenceError
from siteadmin.core.keys import create_api_key
from siteadmin.core.models import ApiKey, BreakerState, Change, DeadLetter
from siteadmin.core.retry import discard, requeue
from siteadmin.core.roles import Role


class ApiKeyForm(forms.ModelForm[ApiKey]):
    """A key's form: cameras are chosen, not typed."""

    camera_ids = forms.MultipleChoiceField(
        label="Cameras", required=False, widget=UnfoldAdminSelectMultipleWidget, help_text="None chosen: all."
    )

    class Meta:
        model = ApiKey
        fields = ["name", "role", "camera_ids", "expires_at", "revoked_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["camera_ids"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(camera.pk, camera.name) for camera in Camera.objects.active()]


@admin.register(ApiKey)
class ApiKeyAdmin(BaseAdmin):
    """API keys; the key itself is shown once, right after it was made."""

    form = ApiKeyForm
    list_display = ["name", "prefix", "role", "camera_ids", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["role"]
    search_fields = ["name", "prefix"]
    readonly_fields = ["prefix", "created_at", "last_used_at"]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:  # noqa: FBT001
        """Make a new key by the service, which alone knows its text."""
        if change:
            ApiKey.objects.save(obj)
            return
        made, key = create_api_key(
            name=obj.name, role=Role(obj.role), camera_ids=obj.camera_ids, expires_at=obj.expires_at
        )
        obj.pk = made.pk
        obj.refresh_from_db()
        messages.warning(request, f"The key is {key} - note it now, it is not shown again.")


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Work that failed for good."""

    list_display = ["task", "subject", "state", "error", "attempts", "last_failed_at"]
    list_filter = ["state", "task"]
    search_fields = ["subject", "error"]
    actions = ["requeue_letters", "discard_letters"]

    @admin.action(description="Requeue: try the work again", permissions=["change"])
    def requeue_letters(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Make each letter's row wait for its step again."""
        self._each(request, queryset, requeue, done="requeued")

    @admin.action(description="Discard: let it go", permissions=["change"])
    def discard_letters(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Close each letter without doing its work."""
        self._each(request, queryset, discard, done="discarded")

    def has_change_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        """Let the actions through; every field stays read-only."""
        return request.user.has_perm("core.change_deadletter")

    def _each(self, request: HttpRequest, queryset: QuerySet[DeadLetter], act: Any, *, done: str) -> None:
        count = 0
        for letter in queryset:
            try:
                count += bool(act(letter.pk, by=request.user.get_username()))
            except SecurityIntelligenceError as refusal:
                messages.error(request, f"{letter}: {refusal.message}")
        messages.success(request, f"{count} {done}.")


@admin.register(BreakerState)
class BreakerStateAdmin(ReadOnlyAdmin):
    """Circuit breakers and their last failures."""

    list_display = ["name", "failures", "open_until", "last_error", "changed_at"]
    search_fields = ["name"]


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """What the listeners of the last day were told of."""

    list_display = ["topic", "subject", "camera_id", "at"]
    list_filter = ["topic"]
    search_fields = ["=subject", "=camera_id"]
