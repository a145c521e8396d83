"""The admin pages of channels and deliveries."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from alerts.admin.channel_form import FIELDS_OF, OPTIONS, ChannelForm
from alerts.choices import ChannelKind
from alerts.models import Channel, Delivery, DeliveryAttempt
from alerts.services.channels import (
    create_channel,
    delete_channel,
    problem_of,
    rotate_secret,
    send_test_message,
    update_channel,
)
from alerts.services.delivery import retry_delivery
from siteadmin.core.admin import VERSION, BaseInline, ReadOnlyAdmin, ServiceAdmin, WaitingFilter
from siteadmin.core.exceptions import SecurityIntelligenceError


@admin.register(Channel)
class ChannelAdmin(ServiceAdmin):
    """Ways to reach people."""

    form = ChannelForm
    delete = delete_channel
    list_display: ClassVar = ["name", "kind", "enabled", "problem"]
    list_filter: ClassVar = ["kind", "enabled"]
    list_select_related: ClassVar = ["mqtt_connection"]
    search_fields: ClassVar = ["name"]
    readonly_fields: ClassVar = ["problem"]
    actions: ClassVar = ["send_test", "rotate_secrets"]
    actions_submit_line: ClassVar = ["save_and_test"]
    conditional_fields: ClassVar = {name: f"kind == '{kind}'" for kind, names in FIELDS_OF.items() for name in names}

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> list[tuple[None, dict[str, Any]]]:
        """Show the settings of the kind, or while it is not chosen those of all."""
        shown = list(FIELDS_OF.values()) if obj is None else [FIELDS_OF.get(obj.kind, [])]
        names = [name for names in shown for name in names]
        problem = [] if obj is None else ["problem", *self.version_field(request, obj)]
        return [(None, {"fields": ["name", "kind", "enabled", *names, *OPTIONS, *problem]})]

    @admin.display(description="Problem", empty_value="-")
    def problem(self, channel: Channel) -> str:
        """Say why it sends nothing."""
        return problem_of(channel) or channel.disabled_reason

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service, which also wakes what waited for the channel."""
        values = form.cleaned_data
        config, secret = values["config"], values.get("new_secret", "")
        options = {name: values[name] for name in OPTIONS}
        if change:
            update_channel(
                obj.pk,
                name=obj.name,
                enabled=obj.enabled,
                config=config,
                secret=secret,
                expected_version=values[VERSION],
                **options,
            )
            self.press_button(request, obj)
            return
        made = create_channel(
            name=obj.name,
            kind=obj.kind,
            enabled=obj.enabled,
            config=config,
            secret=secret if obj.kind == ChannelKind.WEBHOOK else "",
            **options,
        )
        obj.pk = made.pk
        obj.refresh_from_db()
        if made.secret:
            messages.warning(request, f"The secret is {made.secret} - note it now, it is not shown again.")

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


class DeliveryAttemptInline(BaseInline):
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
    list_filter: ClassVar = ["state", WaitingFilter, "channel"]
    list_select_related: ClassVar = ["alert"]
    search_fields: ClassVar = ["idempotency_key", "channel_name"]
    fields: ClassVar = [
        "purpose",
        "alert",
        "step",
        "told_by",
        "channel",
        "channel_name",
        "state",
        "reason",
        "idempotency_key",
        "attempts",
        "due_at",
        "created_at",
        "delivered_at",
    ]
    inlines: ClassVar = [DeliveryAttemptInline]
    actions: ClassVar = ["retry_now"]

    def get_rows(self, request: HttpRequest) -> QuerySet[Delivery]:
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
