"""The admin pages of channels and deliveries."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from alerts.channels.base import Config, ConfigError
from alerts.channels.registry import transport_of
from alerts.choices import ChannelKind
from alerts.models import Channel, Delivery, DeliveryAttempt
from alerts.services.channels import (
    create_channel,
    delete_channel,
    problem_of,
    rotate_secret,
    send_test_message,
    shown_config,
    update_channel,
)
from alerts.services.delivery import retry_delivery
from siteadmin.core.admin import ReadOnlyAdmin
from siteadmin.core.exceptions import SecurityIntelligenceError

FIELDS_OF: dict[str, list[str]] = {
    ChannelKind.INBOX: [],
    ChannelKind.WEBHOOK: ["url", "headers", "new_secret"],
    ChannelKind.EMAIL: ["to"],
}
"""The form's own fields, by kind."""


class ChannelForm(forms.ModelForm[Channel]):
    """A channel with its settings as fields; masked values that are left as they are keep the old ones."""

    url = forms.CharField(label="URL", required=False, widget=UnfoldAdminTextInputWidget)
    headers = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One a line, as Name: value. Values are not shown again; *** keeps the old one.",
    )
    new_secret = forms.CharField(
        label="Secret",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="whsec_..., to sign with. Empty: one is made, or the old one is kept.",
    )
    to = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), help_text="Addresses, one a line."
    )

    class Meta:
        model = Channel
        fields = ["name", "kind", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            return
        # Chosen once; not read-only, since the page shows or hides fields by it.
        self.fields["kind"].disabled = True
        shown = shown_config(self.instance)
        self.initial["url"] = shown.get("url", "")
        self.initial["headers"] = "\n".join(f"{name}: {value}" for name, value in shown.get("headers", {}).items())
        self.initial["to"] = "\n".join(shown.get("to", []))

    def clean(self) -> dict[str, Any]:
        """Check the settings of the kind as the API does."""
        cleaned = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        if kind not in FIELDS_OF:
            return cleaned
        transport = transport_of(kind)
        cleaned["config"] = self._config(kind, cleaned)
        try:
            transport.validate(cleaned["config"], old=self._old_config())
            if kind == ChannelKind.WEBHOOK and cleaned.get("new_secret"):
                transport.make_secret(cleaned["new_secret"])
        except ConfigError as error:
            for name, problem in error.problems.items():
                field, *rest = name.removeprefix("config.").split(".", 1)
                shown = ": ".join([*rest, problem]) if field == "headers" else problem
                self.add_error("new_secret" if field == "secret" else field, shown)
        return cleaned

    def _old_config(self) -> Config | None:
        return None if self.instance._state.adding or not self.instance.is_readable else self.instance.config

    def _config(self, kind: str, cleaned: dict[str, Any]) -> Config:
        if kind == ChannelKind.WEBHOOK:
            return {"url": cleaned.get("url", ""), "headers": self._headers(cleaned.get("headers", ""))}
        if kind == ChannelKind.EMAIL:
            return {"to": cleaned.get("to", "").replace(",", "\n").split()}
        return {}

    def _headers(self, text: str) -> dict[str, str]:
        headers = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, colon, value = line.partition(":")
            if not colon:
                self.add_error("headers", f"'{name[:40]}' is not of the form Name: value")
            headers[name.strip()] = value.strip()
        return headers


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Ways to reach people."""

    form = ChannelForm
    list_display: ClassVar = ["name", "kind", "enabled", "problem"]
    list_filter: ClassVar = ["kind", "enabled"]
    search_fields: ClassVar = ["name"]
    readonly_fields: ClassVar = ["problem"]
    actions: ClassVar = ["send_test", "rotate_secrets"]
    actions_submit_line: ClassVar = ["save_and_test"]
    conditional_fields: ClassVar = {name: f"kind == '{kind}'" for kind, names in FIELDS_OF.items() for name in names}

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> list[tuple[None, dict[str, Any]]]:
        """Show the settings of the kind, or while it is not chosen those of all."""
        shown = list(FIELDS_OF.values()) if obj is None else [FIELDS_OF.get(obj.kind, [])]
        names = [name for names in shown for name in names]
        return [(None, {"fields": ["name", "kind", "enabled", *names, *([] if obj is None else ["problem"])]})]

    @admin.display(description="Problem", empty_value="-")
    def problem(self, channel: Channel) -> str:
        """Say why it sends nothing."""
        return problem_of(channel) or channel.disabled_reason

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service, which also wakes what waited for the channel."""
        values = form.cleaned_data
        config, secret = values["config"], values.get("new_secret", "")
        if change:
            update_channel(obj.pk, name=obj.name, enabled=obj.enabled, config=config, secret=secret)
            # unfold's own save_model would look for its buttons.
            for button in self.get_actions_submit_line(request, obj.pk):
                if button.action_name in request.POST:
                    button.method(request, obj)
            return
        made = create_channel(
            name=obj.name,
            kind=obj.kind,
            enabled=obj.enabled,
            config=config,
            secret=secret if obj.kind == ChannelKind.WEBHOOK else "",
        )
        obj.pk = made.pk
        obj.refresh_from_db()
        if made.secret:
            messages.warning(request, f"The secret is {made.secret} - note it now, it is not shown again.")

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        """Delete by the service, which lets fail what waited for the channel."""
        delete_channel(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Delete each by the service."""
        for channel in queryset:
            delete_channel(channel.pk)

    @admin.action(description="Make a new secret (webhooks)", permissions=["change"])
    def rotate_secrets(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Make a new secret for each and show it this once; the old ones sign along for a day."""
        for channel in queryset:
            try:
                secret = rotate_secret(channel.pk)
            except SecurityIntelligenceError as error:
                messages.error(request, f"{channel.name}: {error.message}")
                continue
            messages.warning(
                request,
                f"The new secret of {channel.name} is {secret} - note it now, it is not shown again. "
                "The old one signs along for a day.",
            )

    @admin.action(description="Send a test", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Send a test over each and say what became of it."""
        _send_tests(request, queryset)

    @action(description="Save and send a test", permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_test(self, request: HttpRequest, obj: Channel) -> None:
        """Send a test with what was just saved, once the page's transaction is over."""
        transaction.on_commit(lambda: _send_tests(request, [obj]))


class DeliveryAttemptInline(TabularInline):  # type: ignore[misc]
    """Every attempt of a delivery."""

    model = DeliveryAttempt
    fields: ClassVar = ["number", "at", "outcome", "status_code", "error", "duration_ms"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds attempts by hand."""
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What was sent where, and what became of it."""

    list_display: ClassVar = ["created_at", "channel_name", "alert", "state", "attempts", "due_at", "delivered_at"]
    list_filter: ClassVar = ["state", "channel"]
    list_select_related: ClassVar = ["alert"]
    search_fields: ClassVar = ["idempotency_key", "channel_name"]
    fields: ClassVar = [
        "alert",
        "channel",
        "channel_name",
        "state",
        "idempotency_key",
        "attempts",
        "due_at",
        "created_at",
        "delivered_at",
    ]
    inlines: ClassVar = [DeliveryAttemptInline]
    actions: ClassVar = ["retry_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Leave the bodies in the database."""
        return Delivery.objects.for_list()

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deliveries may have them tried again."""
        return request.user.has_perm("alerts.change_delivery")

    @admin.action(description="Retry now", permissions=["retry"])
    def retry_now(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Make each due now, a failed one with all attempts before it."""
        count = 0
        for delivery in queryset:
            try:
                retry_delivery(delivery.pk)
                count += 1
            except SecurityIntelligenceError as refusal:
                messages.error(request, f"{delivery}: {refusal.message}")
        if count:
            messages.success(request, f"{count} will be tried again now.")


def _send_tests(request: HttpRequest, channels: Iterable[Channel]) -> None:
    for channel in channels:
        for outcome in send_test_message(channel.pk).outcomes:
            if outcome.outcome == "delivered":
                messages.success(request, f"{channel}: the test was accepted. {outcome.error}".strip())
            else:
                messages.error(request, f"{channel}: {outcome.error}")
