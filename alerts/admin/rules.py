"""The admin pages of rules: made with plain fields, stored by the services."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextInputWidget,
)

from alerts.choices import DAYS, MOST_ESCALATION_STEPS
from alerts.dedup_keys import TemplateError, check_template
from alerts.models import AlertRule, Channel, EscalationStep, Mode
from alerts.schedules import ScheduleError, parse_schedule
from alerts.services.rule_changes import create_rule, delete_rule, update_rule
from alerts.services.silences import snooze_rule
from cameras.models import Camera, Zone
from siteadmin.core.admin import VERSION, BaseInline, ServiceAdmin, VersionedForm

CONDITIONS = ("risk_threshold", "camera_ids", "object_types", "min_confidence", "zone_ids", "modes")
SCHEDULE_FIELDS = {"days": "days", "start": "start", "end": "end", "timezone": "schedule_timezone"}
"""Form fields by the schedule's own."""
SILENCE_MINUTES = 60


class AlertRuleForm(VersionedForm[AlertRule]):
    """A rule with cameras, zones and channels to choose from, and its schedule as plain fields."""

    camera_ids = forms.MultipleChoiceField(
        label="Cameras", required=False, widget=UnfoldAdminSelect2MultipleWidget, help_text="None: all."
    )
    zone_ids = forms.TypedMultipleChoiceField(
        label="Zones",
        required=False,
        coerce=int,
        widget=UnfoldAdminSelect2MultipleWidget,
        help_text="The object must stand in one of them. None: anywhere.",
    )
    object_types = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Separated by commas, such as person, car. Empty: any.",
    )
    days = forms.MultipleChoiceField(
        required=False,
        choices=[(day, day.capitalize()) for day in DAYS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None: every day. A span over midnight belongs to the day it starts on.",
    )
    start = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="HH:MM. Without start and end: at all times."
    )
    end = forms.CharField(required=False, widget=UnfoldAdminTextInputWidget, help_text="HH:MM, or 24:00.")
    schedule_timezone = forms.CharField(
        label="Time zone", required=False, widget=UnfoldAdminTextInputWidget, help_text="Such as Europe/Berlin."
    )
    channel_ids = forms.TypedMultipleChoiceField(
        label="Channels", required=False, coerce=int, widget=UnfoldAdminSelect2MultipleWidget, help_text="Who is told."
    )

    modes = forms.MultipleChoiceField(
        required=False, widget=UnfoldAdminSelect2MultipleWidget, help_text="One of them must be active. None: any."
    )

    class Meta:
        model = AlertRule
        fields = [
            "name",
            "description",
            "enabled",
            "severity",
            "trigger",
            "risk_threshold",
            "min_confidence",
            "cooldown_seconds",
            "dedup_key_template",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        cameras = {camera.pk: str(camera) for camera in Camera.objects.active()}
        zones = {zone.pk: f"{zone.camera}: {zone}" for zone in Zone.objects.select_related("camera")}
        self._offer("camera_ids", cameras, kept=rule.camera_ids)
        self._offer("zone_ids", zones, kept=rule.zone_ids)
        self._offer("modes", {name: name for name in Mode.objects.names()}, kept=rule.modes)
        self._offer("channel_ids", {one.pk: one.name for one in Channel.objects.get_all()})
        schedule = rule.schedule or {}
        stored = {
            "camera_ids": rule.camera_ids,
            "zone_ids": rule.zone_ids,
            "modes": rule.modes,
            "object_types": ", ".join(rule.object_types),
            "channel_ids": [] if rule._state.adding else rule.channel_ids,
            "schedule_timezone": settings.TIME_ZONE,
            **{field: schedule[name] for name, field in SCHEDULE_FIELDS.items() if name in schedule},
        }
        # Over what the form reads off the model's fields, under what the address fills in.
        self.initial = {**self.initial, **stored, **(kwargs.get("initial") or {})}

    def _offer(self, name: str, choices: dict[Any, str], *, kept: list[Any] | None = None) -> None:
        """Let these be chosen, and what the rule has already, whatever became of it."""
        field = self.fields.get(name)
        if isinstance(field, forms.ChoiceField):
            gone = {one: f"{one} (gone)" for one in kept or () if one not in choices}
            field.choices = list((choices | gone).items())

    def clean_object_types(self) -> list[str]:
        """Give the types, each once."""
        words = [word.strip() for word in self.cleaned_data["object_types"].split(",")]
        if any(len(word) > 64 for word in words):
            raise forms.ValidationError("A type has at most 64 signs.")
        return list(dict.fromkeys(filter(None, words)))

    def clean_dedup_key_template(self) -> str:
        """Refuse placeholders that are unknown or reach further."""
        template: str = self.cleaned_data["dedup_key_template"]
        try:
            check_template(template)
        except TemplateError as error:
            raise forms.ValidationError(str(error)) from error
        return template

    def clean(self) -> dict[str, Any]:
        """Put the schedule together; without start, end and days there is none."""
        cleaned = super().clean() or self.cleaned_data
        given = {name: cleaned.get(field) for name, field in SCHEDULE_FIELDS.items()}
        cleaned["schedule"] = None
        if given["start"] or given["end"] or given["days"]:
            try:
                cleaned["schedule"] = parse_schedule(given).as_json()
            except ScheduleError as error:
                for name, text in error.errors.items():
                    self.add_error(SCHEDULE_FIELDS.get(name), text)
        return cleaned


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
        values = form.cleaned_data
        names = [*AlertRuleForm.Meta.fields, "camera_ids", "zone_ids", "object_types", "schedule", "modes"]
        fields = {name: values[name] for name in names}
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
