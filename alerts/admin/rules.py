"""The admin pages of rules: made with plain fields, previewed before they are stored, stored by the services."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from alerts.admin.rule_form import SCHEDULE_FIELDS, AlertRuleForm
from alerts.admin.rule_preview import show_preview
from alerts.choices import MOST_ESCALATION_STEPS
from alerts.models import AlertRule, EscalationStep
from alerts.services.rule_changes import create_rule, delete_rule, update_rule
from alerts.services.silences import snooze_rule
from siteadmin.core.admin import VERSION, BaseInline, ServiceAdmin
from siteadmin.core.permissions import camera_access

CONDITIONS = ("risk_threshold", "camera_ids", "object_types", "min_confidence", "zone_ids", "modes")
SILENCE_MINUTES = 60


class EscalationStepForm(forms.ModelForm[EscalationStep]):
    """A step; its place is its line's."""

    class Meta:
        model = EscalationStep
        fields = ["wait_seconds", "channels"]


class EscalationInline(BaseInline):
    """Further channels, told while nobody answers."""

    model = EscalationStep
    form = EscalationStepForm
    verbose_name_plural = "escalation: told while nobody acknowledges or dismisses the alert"
    extra = 0
    max_num = MOST_ESCALATION_STEPS
    ordering: ClassVar = ["position"]


@admin.register(AlertRule)
class AlertRuleAdmin(ServiceAdmin):
    """Conditions, and who is told."""

    form = AlertRuleForm
    delete = delete_rule
    list_display: ClassVar = ["name", "severity", "enabled", "told", "last_fired", "demo"]
    list_filter: ClassVar = ["enabled", "severity", "channels"]
    search_fields: ClassVar = ["name", "description"]
    actions: ClassVar = ["switch_on", "switch_off", "silence"]
    inlines: ClassVar = [EscalationInline]
    change_form_outer_after_template = "alerts/admin_preview.html"
    fieldsets: ClassVar = [
        (None, {"fields": ["name", "description", "enabled", "severity", "trigger"]}),
        (
            "Conditions",
            {"fields": list(CONDITIONS), "description": "All that are set must hold together; none: always."},
        ),
        ("Schedule", {"fields": list(SCHEDULE_FIELDS.values())}),
        ("Alert", {"fields": ["channel_ids", "cooldown_seconds", "dedup_key_template"]}),
    ]

    def get_rows(self, request: HttpRequest) -> QuerySet[AlertRule]:
        """Fetch along what the list shows."""
        return AlertRule.objects.with_channels().with_last_fired()

    def get_urls(self) -> list[URLPattern]:
        """Add the previews of what a form holds."""
        view = self.admin_site.admin_view(require_POST(self.preview))
        own = [
            path("add/preview/", view, name="alerts_alertrule_preview_new"),
            path("<int:rule_id>/preview/", view, name="alerts_alertrule_preview"),
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def preview(self, request: HttpRequest, rule_id: int | None = None) -> HttpResponse:
        """Show what the rule, as the form is filled in, would have made of the last days."""
        if camera_access(request).camera_ids is not None:  # rules belong to no camera
            raise Http404
        if not (self.has_add_permission(request) if rule_id is None else self.has_change_permission(request)):
            raise PermissionDenied("A preview takes the role operator")
        rule = None if rule_id is None else self.get_object(request, str(rule_id))
        if rule is None and rule_id is not None:
            raise Http404
        form = self.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
        page = "add" if rule is None else "change"
        back = reverse(f"admin:alerts_alertrule_{page}", args=[] if rule is None else [rule.pk])
        return show_preview(request, form, original=rule, address=request.path, back=back)

    @admin.display(description="Channels", empty_value="-")
    def told(self, rule: AlertRule) -> str:
        """Name the channels."""
        return ", ".join(channel.name for channel in rule.channels.all())

    @admin.display(description="Last fired", ordering="last_fired_at")
    def last_fired(self, rule: AlertRule) -> Any:
        """Say when it last made an alert."""
        return getattr(rule, "last_fired_at", None)

    def save_model(self, request: HttpRequest, obj: AlertRule, form: AlertRuleForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service."""
        values, fields = form.cleaned_data, form.rule_fields
        if change:
            update_rule(obj.pk, fields=fields, channel_ids=values["channel_ids"], expected_version=values[VERSION])
        else:
            obj.pk = create_rule(fields=fields, channel_ids=values["channel_ids"]).pk
            obj._state.adding = False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001
        """Store the escalation by the service, its steps in the order of the lines."""
        lines = [line.cleaned_data for line in formset.forms if line.cleaned_data]
        steps = [
            {"wait_seconds": line["wait_seconds"], "channel_ids": [channel.pk for channel in line["channels"]]}
            for line in lines
            if not line.get("DELETE")
        ]
        update_rule(form.instance.pk, fields={}, escalation=steps)
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Let them fire."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Let them rest."""
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Silence for 1 hour", permissions=["change"])
    def silence(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Tell nobody of what they find for an hour."""
        rules = list(queryset)
        for rule in rules:
            snooze_rule(rule.pk, minutes=SILENCE_MINUTES, by=request.user.get_username())
        messages.success(request, f"{len(rules)} silent for 1 hour.")

    def _switch(self, request: HttpRequest, queryset: QuerySet[AlertRule], *, enabled: bool) -> None:
        rules = list(queryset)
        for rule in rules:
            update_rule(rule.pk, fields={"enabled": enabled})
        messages.success(request, f"{len(rules)} switched {'on' if enabled else 'off'}.")
