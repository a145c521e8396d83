"""The form of a rule: cameras, zones and channels to choose from, and its schedule as plain fields."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextInputWidget,
)

from alerts.choices import DAYS
from alerts.dedup_keys import TemplateError, check_template
from alerts.models import AlertRule, Channel, Mode
from alerts.schedules import ScheduleError, parse_schedule
from cameras.models import Camera, Zone
from siteadmin.core.admin import VersionedForm

SCHEDULE_FIELDS = {"days": "days", "start": "start", "end": "end", "timezone": "schedule_timezone"}
"""Form fields by the schedule's own."""


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

    @property
    def rule_fields(self) -> dict[str, Any]:
        """Give the rule's own fields of a valid form."""
        names = [*AlertRuleForm.Meta.fields, "camera_ids", "zone_ids", "object_types", "schedule", "modes"]
        return {name: self.cleaned_data[name] for name in names}

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
