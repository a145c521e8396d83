"""The admin pages of modes, silences and quiet hours."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from alerts.choices import DAYS, Severity
from alerts.models import AlertRule, Mode, ModeChange, QuietHours, Silence
from alerts.schedules import ScheduleError, parse_schedule, parse_switch_times
from alerts.services.modes import activate_mode, create_mode, delete_mode, update_mode
from alerts.services.quiet_hours import create_quiet_hours, delete_quiet_hours, update_quiet_hours
from alerts.services.silences import MATCHERS, create_silence, delete_silence, snooze_camera, update_silence
from cameras.admin import CameraAdmin
from cameras.models import Camera, Zone
from siteadmin.core.admin import VERSION, ReadOnlyAdmin, ServiceAdmin, VersionedForm
from siteadmin.core.exceptions import CameraNotFoundError

SILENCE_MINUTES = 60
WORDS = dict(zip(MATCHERS, ("camera", "rule", "severity", "object", "zone"), strict=True))


class ModeForm(VersionedForm[Mode]):
    """A mode with its switch times as lines."""

    times = forms.CharField(
        label="Switch times",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="When it becomes active by itself: one a line, as 22:00 or 22:00 monday, friday.",
    )
    times_zone = forms.CharField(
        label="Time zone", required=False, widget=UnfoldAdminTextInputWidget, help_text="Such as Europe/Berlin."
    )

    class Meta:
        model = Mode
        fields = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.switch_times or {}
        lines = []
        for one in stored.get("times", []):
            every_day = len(one["days"]) == len(DAYS)
            lines.append(one["at"] if every_day else f"{one['at']} {', '.join(one['days'])}")
        shown = {"times": "\n".join(lines), "times_zone": stored.get("timezone", settings.TIME_ZONE)}
        self.initial = {**shown, **self.initial}

    def clean(self) -> dict[str, Any]:
        """Read the lines; none: it is switched by hand alone."""
        cleaned = super().clean() or self.cleaned_data
        times = []
        for line in filter(None, map(str.strip, cleaned.get("times", "").splitlines())):
            at, _, days = line.partition(" ")
            times.append({"at": at, "days": [day.strip().lower() for day in days.split(",") if day.strip()]})
        cleaned["switch_times"] = None
        if times:
            try:
                given = {"timezone": cleaned.get("times_zone"), "times": times}
                cleaned["switch_times"] = parse_switch_times(given).as_json()
            except ScheduleError as error:
                for name, text in error.errors.items():
                    self.add_error("times_zone" if name == "timezone" else "times", text)
        return cleaned


@admin.register(Mode)
class ModeAdmin(ServiceAdmin):
    """What the place is set to; one mode is active."""

    form = ModeForm
    delete = delete_mode
    list_display: ClassVar = ["name", "active", "switches"]
    actions: ClassVar = ["activate_one"]
    actions_submit_line: ClassVar = ["activate"]
    fields: ClassVar = ["name", "times", "times_zone"]

    @admin.display(description="Active", boolean=True)
    def active(self, mode: Mode) -> bool:
        """Tell whether it is the active one."""
        return mode.is_active

    @admin.display(description="Switches by itself", boolean=True)
    def switches(self, mode: Mode) -> bool:
        """Tell whether it has switch times."""
        return bool(mode.switch_times)

    def save_model(self, request: HttpRequest, obj: Mode, form: ModeForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service."""
        fields = {"name": form.cleaned_data["name"], "switch_times": form.cleaned_data["switch_times"]}
        if not change:
            obj.pk = create_mode(fields=fields).pk
            obj._state.adding = False
            return
        update_mode(obj.pk, fields=fields, expected_version=form.cleaned_data[VERSION])
        self.press_button(request, obj)

    @action(description="Activate", permissions=["change"])  # type: ignore[untyped-decorator]
    def activate(self, request: HttpRequest, obj: Mode) -> None:
        """Make it the active one."""
        activate_mode(obj.name, by=request.user.get_username())

    @admin.action(description="Activate", permissions=["change"])
    def activate_one(self, request: HttpRequest, queryset: QuerySet[Mode]) -> None:
        """Make it the active one."""
        modes = list(queryset[:2])
        if len(modes) != 1:
            messages.error(request, "Choose one mode.")
            return
        activate_mode(modes[0].name, by=request.user.get_username())
        messages.success(request, f"The mode is {modes[0]}.")


@admin.register(ModeChange)
class ModeChangeAdmin(ReadOnlyAdmin):
    """Which mode became active when, and by whom."""

    list_display: ClassVar = ["mode_name", "at", "by"]
    list_filter: ClassVar = ["mode_name"]


@admin.action(description="Silence for 1 hour", permissions=["change"])
def silence_cameras(camera_admin: CameraAdmin, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
    """Tell nobody of what these cameras see for an hour; takes what making a silence takes."""
    if not request.user.has_perm("alerts.add_silence"):
        raise PermissionDenied
    count = 0
    for camera in queryset:
        try:
            snooze_camera(camera.pk, minutes=SILENCE_MINUTES, by=request.user.get_username())
            count += 1
        except CameraNotFoundError:
            messages.error(request, f"{camera} is deleted.")
    if count:
        messages.success(request, f"{count} silent for 1 hour.")


camera_actions: list[Any] = CameraAdmin.actions
camera_actions.append(silence_cameras)


class SilenceForm(VersionedForm[Silence]):
    """A silence with cameras, rules and zones to choose from."""

    camera_ids = forms.MultipleChoiceField(label="Cameras", required=False, widget=UnfoldAdminSelect2MultipleWidget)
    rule_ids = forms.TypedMultipleChoiceField(
        label="Rules", required=False, coerce=int, widget=UnfoldAdminSelect2MultipleWidget
    )
    severities = forms.MultipleChoiceField(
        required=False, choices=Severity.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    zone_ids = forms.TypedMultipleChoiceField(
        label="Zones", required=False, coerce=int, widget=UnfoldAdminSelect2MultipleWidget
    )
    object_types = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Separated by commas, such as cat, dog."
    )

    class Meta:
        model = Silence
        fields = ["starts_at", "ends_at", "comment"]
        widgets: ClassVar = {"comment": UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: dict[str, list[tuple[Any, str]]] = {
            "camera_ids": [(camera.pk, str(camera)) for camera in Camera.objects.active()],
            "rule_ids": [(rule.pk, rule.name) for rule in AlertRule.objects.get_all()],
            "zone_ids": [(zone.pk, f"{zone.camera}: {zone}") for zone in Zone.objects.select_related("camera")],
        }
        for name, choices in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            known = {key for key, _ in choices}
            field.choices = choices + [
                (one, f"{one} (gone)") for one in getattr(self.instance, name) if one not in known
            ]
        self.fields["starts_at"].required = False
        self.fields["starts_at"].help_text = "Empty: now."
        stored = {name: getattr(self.instance, name) for name in MATCHERS}
        stored["object_types"] = ", ".join(self.instance.object_types)
        # Over what the form reads off the model's fields, under what the address fills in.
        self.initial = {**self.initial, **stored, **(kwargs.get("initial") or {})}

    def clean_object_types(self) -> list[str]:
        """Give the types, each once."""
        words = [word.strip()[:64] for word in self.cleaned_data["object_types"].split(",")]
        return list(dict.fromkeys(filter(None, words)))

    def clean(self) -> dict[str, Any]:
        """Refuse a silence of everything, and one that ends before it starts."""
        cleaned = super().clean() or self.cleaned_data
        if not any(cleaned.get(name) for name in MATCHERS):
            raise forms.ValidationError("Say what is silent: choose at least one camera, rule, severity, type or zone.")
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "The end does not lie after the start.")
        return cleaned


@admin.register(Silence)
class SilenceAdmin(ServiceAdmin):
    """What is silent, and until when."""

    form = SilenceForm
    delete = delete_silence
    list_display: ClassVar = ["__str__", "what", "standing", "starts_at", "ends_at", "created_by"]
    fields: ClassVar = [*MATCHERS, "starts_at", "ends_at", "comment"]

    def get_rows(self, request: HttpRequest) -> QuerySet[Silence]:
        """Show silences as they are now."""
        return Silence.objects.current()

    @admin.display(description="What")
    def what(self, silence: Silence) -> str:
        """Name the matchers."""
        set_ones = ((name, getattr(silence, name)) for name in MATCHERS)
        return "; ".join(f"{WORDS[name]} {', '.join(map(str, values))}" for name, values in set_ones if values)

    @admin.display(description="Now")
    def standing(self, silence: Silence) -> str:
        """Tell whether it is in effect."""
        now = timezone.now()
        if silence.ends_at <= now:
            return "Over"
        return "To come" if silence.starts_at > now else "In effect"

    def save_model(self, request: HttpRequest, obj: Silence, form: SilenceForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service."""
        names = [*MATCHERS, "starts_at", "ends_at", "comment"]
        names = [name for name in names if not change or name in form.changed_data]
        fields = {name: form.cleaned_data[name] for name in names if form.cleaned_data[name] is not None}
        if change:
            update_silence(obj.pk, fields=fields, expected_version=form.cleaned_data[VERSION])
        else:
            obj.pk = create_silence(fields=fields, by=request.user.get_username()).pk
            obj._state.adding = False


class QuietHoursForm(VersionedForm[QuietHours]):
    """Quiet hours with the schedule as plain fields."""

    days = forms.MultipleChoiceField(
        required=False,
        choices=[(day, day.capitalize()) for day in DAYS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None: every day. A span over midnight belongs to the day it starts on.",
    )
    start = forms.CharField(widget=UnfoldAdminTextInputWidget, help_text="HH:MM")
    end = forms.CharField(widget=UnfoldAdminTextInputWidget, help_text="HH:MM, or 24:00.")
    timezone = forms.CharField(label="Time zone", widget=UnfoldAdminTextInputWidget, help_text="Such as Europe/Berlin.")

    class Meta:
        model = QuietHours
        fields = ["channel", "user", "critical_passes", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"timezone": settings.TIME_ZONE, **(self.instance.schedule or {}), **self.initial}

    def clean(self) -> dict[str, Any]:
        """Put the schedule together."""
        cleaned = super().clean() or self.cleaned_data
        if (cleaned.get("channel") is None) == (cleaned.get("user") is None):
            raise forms.ValidationError("Choose either a channel or a user.")
        try:
            given = {name: cleaned.get(name) for name in ("days", "start", "end", "timezone")}
            cleaned["schedule"] = parse_schedule(given).as_json()
        except ScheduleError as error:
            for name, text in error.errors.items():
                if name not in self.errors:
                    self.add_error(name or None, text)
        return cleaned


@admin.register(QuietHours)
class QuietHoursAdmin(ServiceAdmin):
    """Hours of the week in which a channel, or what is a person's own, is not used."""

    form = QuietHoursForm
    delete = delete_quiet_hours
    list_display: ClassVar = ["__str__", "hours", "critical_passes", "enabled"]
    list_select_related: ClassVar = ["channel", "user"]
    fields: ClassVar = ["channel", "user", "days", "start", "end", "timezone", "critical_passes", "enabled"]

    def get_rows(self, request: HttpRequest) -> QuerySet[QuietHours]:
        """Show quiet hours as they are now."""
        return QuietHours.objects.current()

    def save_model(self, request: HttpRequest, obj: QuietHours, form: QuietHoursForm, change: bool) -> None:  # noqa: FBT001
        """Store by the service."""
        names = ["channel", "user", "schedule", "critical_passes", "enabled"]
        fields = {name: form.cleaned_data[name] for name in names}
        if change:
            update_quiet_hours(obj.pk, fields=fields, expected_version=form.cleaned_data[VERSION])
        else:
            obj.pk = create_quiet_hours(fields=fields).pk
            obj._state.adding = False

    @admin.display(description="Hours")
    def hours(self, quiet: QuietHours) -> str:
        """Show the schedule."""
        try:
            return str(parse_schedule(quiet.schedule))
        except ScheduleError as error:
            return str(error)
