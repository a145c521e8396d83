"""The admin pages of the kernel's models; each app's own are in its `admin`."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from cameras.models import Camera
from siteadmin.core.actors import ActorKind
from siteadmin.core.admin import ReadOnlyAdmin, ServiceAdmin
from siteadmin.core.keys import create_api_key, delete_api_key, revoke_api_keys, update_api_key
from siteadmin.core.models import ApiKey, AuditEntry, BreakerState, Change, RememberedRequest
from siteadmin.core.roles import Role
from siteadmin.dead_letter_admin import DeadLetterAdmin as DeadLetterAdmin


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
        offered = {camera.pk: camera.name for camera in Camera.objects.active()}
        # A camera that is gone stays chosen: a key of none but gone ones would else become one of all.
        gone = {camera_id: f"{camera_id} (gone)" for camera_id in self.instance.camera_ids if camera_id not in offered}
        field.choices = list((offered | gone).items())


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    """API keys; the key itself is shown once, right after it was made."""

    form = ApiKeyForm
    change, delete = update_api_key, delete_api_key
    list_display = ["name", "prefix", "role", "camera_ids", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["role"]
    search_fields = ["name", "prefix"]
    readonly_fields = ["prefix", "created_at", "last_used_at"]
    actions = ["revoke"]

    def get_exclude(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        """A key is made to let somebody in."""
        return ["revoked_at"] if obj is None else []

    @admin.action(description="Revoke: it lets nobody in any more", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End keys now."""
        count = revoke_api_keys([key.pk for key in queryset])
        messages.success(request, f"{count} revoked.")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:  # noqa: FBT001
        """Make a new key by the service, which alone knows its text."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made, key = create_api_key(
            name=obj.name, role=Role(obj.role), camera_ids=obj.camera_ids, expires_at=obj.expires_at
        )
        obj.pk = made.pk
        obj.refresh_from_db()
        messages.warning(request, f"The key is {key} - note it now, it is not shown again.")


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


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what to what, when, from where, before and after."""

    list_display = ["created_at", "who", "action", "what", "camera_id", "address"]
    list_filter = ["actor_kind", "action", "resource_type"]
    search_fields = ["=actor", "=resource_id", "=request_id", "=camera_id"]
    search_help_text = "Searches for a whole name, id of a thing, of a camera or of a request"
    sortable_by = ["created_at"]
    fields = ["created_at", "who", "address", "request_id", "action", "what", "camera_id", "difference"]
    readonly_fields = fields

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """Name who it was, and by what."""
        kind = ActorKind(entry.actor_kind).label if entry.actor_kind in ActorKind.values else entry.actor_kind
        return f"{entry.actor} ({kind})" if entry.actor else kind

    @admin.display(description="What")
    def what(self, entry: AuditEntry) -> str:
        """Name what it was done to, as it was called then."""
        return f"{entry.resource_type.replace('_', ' ')} {entry.resource_id}: {entry.resource}"

    @admin.display(description="Before and after")
    def difference(self, entry: AuditEntry) -> SafeString:
        """Show both states, field by field."""
        before, after = entry.before or {}, entry.after or {}
        rows = ((name, _shown(before.get(name)), _shown(after.get(name))) for name in {**before, **after})
        head = SafeString("<thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>")
        cells = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows)
        return format_html('<table class="sa-difference">{}{}</table>', head, cells)


@admin.register(RememberedRequest)
class RememberedRequestAdmin(ReadOnlyAdmin):
    """Requests with an Idempotency-Key; their answers are never shown."""

    list_display = ["created_at", "actor", "key", "status", "running_until"]
    search_fields = ["=key", "=actor"]
    sortable_by = ["created_at"]
    fields = ["created_at", "actor", "key", "fingerprint", "status", "running_until"]


def _shown(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
