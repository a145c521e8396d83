"""The admin pages of alerts, cooldowns and decisions, and what an event's page says of the rules."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.decorators import action

from alerts.choices import NOT_DISMISSED, UNACKNOWLEDGED, Severity
from alerts.models import Alert, Cooldown, Evaluation, RuleDecision
from alerts.services.explanation import explain_change, explain_event
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert, snooze_alert
from cameras.admin import CameraStatusChangeAdmin
from cameras.models import CameraStatusChange
from events.admin import EventAdmin
from events.models import Event
from siteadmin.core.admin import VERSION, ReadOnlyAdmin, ServiceAdmin, VersionedForm
from siteadmin.core.exceptions import SecurityIntelligenceError
from siteadmin.core.permissions import camera_access

NOTHING = "–"
SNOOZE_MINUTES = 60
STEPS = {
    "alerts_alert_acknowledge": UNACKNOWLEDGED,
    "alerts_alert_dismiss": NOT_DISMISSED,
    "alerts_alert_snooze": NOT_DISMISSED,
}
"""From which states a button's step leads."""
OF_NO_CAMERA = ("delivery_link", "duplicate_link")


class AlertForm(VersionedForm[Alert]):
    """What people say along with a step."""

    class Meta:
        model = Alert
        fields = ("note",)


class AnswerFilter(admin.SimpleListFilter):
    """Leaves the alerts that nobody has answered, as the dashboard counts them."""

    title = "answer"
    parameter_name = "answer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give the other choice than all."""
        return [("wanted", "To acknowledge")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        """Keep what was asked for."""
        return queryset.filter(status__in=UNACKNOWLEDGED) if self.value() == "wanted" else queryset


@admin.register(Alert)
class AlertAdmin(ServiceAdmin):
    """What somebody must be told; acknowledged and dismissed by people."""

    form = AlertForm
    list_display: ClassVar = ["rule_name", "badge", "camera", "status", "suppressed_count", "created_at"]
    list_filter: ClassVar = [AnswerFilter, "status", "severity", "camera", "rule"]
    list_select_related: ClassVar = ["camera"]
    sortable_by: ClassVar = ["created_at"]
    search_fields: ClassVar = ["rule_name", "=dedup_key"]
    search_help_text = "Searches rules' names and whole dedup keys"
    actions: ClassVar = ["acknowledge_all", "dismiss_all", "snooze_all"]
    actions_submit_line: ClassVar = ["acknowledge", "dismiss", "snooze"]
    fields: ClassVar = [
        "rule_name",
        "badge",
        "status",
        "camera",
        "event_link",
        "conditions",
        "note",
        "suppression_reason",
        "created_at",
        "delivered_at",
        "delivery_link",
        "next_step",
        "duplicate_link",
        "acknowledged_by",
        "acknowledged_at",
        "dismissed_by",
        "dismissed_at",
        "snoozed_by",
        "snoozed_until",
        "dedup_key",
    ]
    readonly_fields: ClassVar = [name for name in fields if name != "note"]

    def get_fields(self, request: HttpRequest, obj: Alert | None = None) -> list[str]:
        """Leave out channels and what else belongs to no camera, for whoever is limited to some."""
        is_limited = camera_access(request).camera_ids is not None
        return [name for name in self.fields if not (is_limited and name in OF_NO_CAMERA)]

    @admin.display(description="Severity", ordering="severity")
    def badge(self, alert: Alert) -> SafeString:
        """Show the severity in its color."""
        return format_html('<span class="sa-badge sa-{}">{}</span>', alert.severity, alert.get_severity_display())

    @admin.display(description="Event")
    def event_link(self, alert: Alert) -> str:
        """Lead to the event."""
        if alert.event is None:
            return NOTHING
        return _link(reverse("admin:events_event_change", args=[alert.event_id]), str(alert.event))

    @admin.display(description="Because")
    def conditions(self, alert: Alert) -> str:
        """Say by which conditions the rule held."""
        return "; ".join(map(str, alert.matched_conditions)) or NOTHING

    @admin.display(description="Deliveries")
    def delivery_link(self, alert: Alert) -> str:
        """Say what became of telling, and lead there."""
        states = ", ".join(f"{one.channel_name}: {one.state}" for one in alert.deliveries.for_list().order_by("pk"))
        return (
            _link(f"{reverse('admin:alerts_delivery_changelist')}?alert__id__exact={alert.pk}", states)
            if states
            else NOTHING
        )

    @admin.display(description="Escalation")
    def next_step(self, alert: Alert) -> str:
        """Say which step is taken when, and what holds it up."""
        waiting = alert.waiting_escalation
        if waiting is None or waiting.due_at is None:
            return NOTHING
        why = f" ({waiting.reason})" if waiting.reason else ""
        return f"Step {waiting.position} at {localtime(waiting.due_at):%Y-%m-%d %H:%M:%S}{why}"

    @admin.display(description="Duplicates")
    def duplicate_link(self, alert: Alert) -> str:
        """Lead to what it stands for beside its own event."""
        address = f"{reverse('admin:alerts_ruledecision_changelist')}?alert__id__exact={alert.pk}"
        return _link(address, f"{alert.suppressed_count} within the cooldown")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The pipeline makes alerts."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An alert that nobody needs is dismissed."""
        return False

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the buttons of steps that the alert can take; one that was pressed on an older page is answered."""
        buttons: list[Any] = super().get_actions_submit_line(request, object_id)
        alert = None if request.method != "GET" else self.get_object(request, str(object_id))
        return [one for one in buttons if alert is None or alert.status in STEPS[one.action_name]]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show the alert, with a button for each step."""
        hidden = dict.fromkeys(("show_save", "show_save_and_continue", "show_save_and_add_another"), False)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **hidden})

    def save_model(self, request: HttpRequest, obj: Alert, form: Any, change: bool) -> None:  # noqa: FBT001
        """Do what the button says; the row itself is the pipeline's."""
        obj.version = form.cleaned_data[VERSION] or obj.version
        self.press_button(request, obj)

    @action(description="Acknowledge", permissions=["change"])  # type: ignore[untyped-decorator]
    def acknowledge(self, request: HttpRequest, obj: Alert) -> None:
        """Note that somebody knows of it, with the note on the page."""
        acknowledge_alert(obj.pk, by=request.user, note=obj.note, version=obj.version)

    @action(description="Dismiss", permissions=["change"])  # type: ignore[untyped-decorator]
    def dismiss(self, request: HttpRequest, obj: Alert) -> None:
        """Put it aside, with the note on the page."""
        dismiss_alert(obj.pk, by=request.user, note=obj.note, version=obj.version)

    @action(description="Snooze for 1 hour", permissions=["change"])  # type: ignore[untyped-decorator]
    def snooze(self, request: HttpRequest, obj: Alert) -> None:
        """Leave people in peace for an hour, with the note on the page."""
        snooze_alert(obj.pk, minutes=SNOOZE_MINUTES, by=request.user, note=obj.note, version=obj.version)

    @admin.action(description="Acknowledge", permissions=["change"])
    def acknowledge_all(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Note that somebody knows of them."""
        _each(request, queryset, acknowledge_alert, done="acknowledged")

    @admin.action(description="Dismiss", permissions=["change"])
    def dismiss_all(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Put them aside."""
        _each(request, queryset, dismiss_alert, done="dismissed")

    @admin.action(description="Snooze for 1 hour", permissions=["change"])
    def snooze_all(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Leave people in peace for an hour."""
        _each(request, queryset, partial(snooze_alert, minutes=SNOOZE_MINUTES), done="snoozed for 1 hour")


@admin.register(Cooldown)
class CooldownAdmin(ReadOnlyAdmin):
    """Keys under which alerts fired; the pipeline owns these rows."""

    list_display: ClassVar = ["dedup_key", "last_fired"]
    search_fields: ClassVar = ["dedup_key"]
    fields: ClassVar = ["dedup_key", "times"]
    readonly_fields: ClassVar = ["times"]

    @admin.display(description="Last fired")
    def last_fired(self, cooldown: Cooldown) -> Any:
        """Say when an alert of any severity fired."""
        return cooldown.fired_at[0]

    @admin.display(description="Last fired by severity")
    def times(self, cooldown: Cooldown) -> str:
        """Say when an alert of at least each severity fired."""
        shown = zip(Severity.labels, cooldown.fired_at, strict=False)
        return "; ".join(f"{label} or higher: {localtime(at):%Y-%m-%d %H:%M:%S}" for label, at in shown if at)


@admin.register(RuleDecision)
class RuleDecisionAdmin(ReadOnlyAdmin):
    """What was decided for each event and rule, and why; the pipeline owns these rows."""

    list_display: ClassVar = ["rule", "outcome", "reason", "event", "change", "decided_at"]
    list_filter: ClassVar = ["outcome", "rule"]
    list_select_related: ClassVar = ["rule", "event", "change"]
    sortable_by: ClassVar = ["decided_at"]


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    """Why rules do not hold (yet); told with the rest on an event's page. The pipeline owns these rows."""

    list_display: ClassVar = ["__str__", "changed_at"]
    sortable_by: ClassVar = ["changed_at"]


# Rules belong to no camera, and their reasons name cameras: nothing of both for whoever is limited to some.


def show_event_rules(event: Event, request: HttpRequest) -> SafeString:
    """Give the part of an event's page that says of every rule why it fired or not; costs three queries."""
    if camera_access(request).camera_ids is not None:
        return SafeString("")
    return render_to_string("alerts/admin_decisions.html", {"answers": explain_event(event).answers})


def show_change_rules(change: CameraStatusChange, request: HttpRequest) -> SafeString:
    """Give the same for the page of a camera's change of status."""
    if camera_access(request).camera_ids is not None:
        return SafeString("")
    return render_to_string("alerts/admin_decisions.html", {"answers": explain_change(change).answers})


EventAdmin.extra_panels.append(show_event_rules)
CameraStatusChangeAdmin.extra_panels.append(show_change_rules)


def _link(address: str, text: str) -> SafeString:
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, text)


def _each(request: HttpRequest, alerts: QuerySet[Alert], act: Callable[..., Alert], *, done: str) -> None:
    count = 0
    for alert in alerts:
        try:
            act(alert.pk, by=request.user)
            count += 1
        except SecurityIntelligenceError as refusal:
            messages.error(request, f"{alert}: {refusal.message}.")
    if count:
        messages.success(request, f"{count} {done}.")
