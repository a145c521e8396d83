"""Admin pages of events and detections: looked at, and reviewed by people."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cameras.models import Zone
from events.admin_analysis import analysis_panel
from events.admin_feedback import feedback_panel
from events.choices import RiskLevel
from events.models import Detection, Event
from events.services import review
from siteadmin.core.admin import VERSION, ReadOnlyAdmin, ServiceAdmin, VersionedForm, WaitingFilter

NOTHING = "–"
THUMBNAIL_WIDTH = 160
DETECTIONS_SHOWN = 60
"""More than fit a page; the rest is in the list of detections."""


class EventForm(VersionedForm[Event]):
    """What people decide."""

    class Meta:
        model = Event
        fields = ("reviewed", "kept", "risk_score", "notes")

    def clean_risk_score(self) -> int | None:
        """A score may be corrected, not taken away."""
        score: int | None = self.cleaned_data["risk_score"]
        if score is None and self.instance.risk_score is not None:
            raise forms.ValidationError("A score is a whole number from 0 to 100.", code="required")
        return score


class DeletedFilter(admin.SimpleListFilter):
    """Deleted events are shown only to whoever asks for them."""

    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give the other choice than the usual one."""
        return [("yes", "Deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Keep what was asked for."""
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


@admin.register(Event)
class EventAdmin(ServiceAdmin):
    """Events; `extra_panels` of other apps stand below the detections, each made from the event for whoever asks."""

    extra_panels: ClassVar[list[Callable[[Event, HttpRequest], SafeString]]] = [analysis_panel, feedback_panel]

    form = EventForm
    change_form_before_template = "events/admin_event.html"
    change_form_outer_after_template = "events/admin_detections.html"
    list_display = ("picture", "event", "level", "camera", "started_at", "state", "decided")
    list_display_links = ("event",)
    list_filter = ("risk_level", "reviewed", "state", "kept", "camera", WaitingFilter, DeletedFilter)
    sortable_by = ("started_at",)
    search_fields = ("summary",)
    search_help_text = 'Words of summary, reasoning, notes, objects and camera; "a phrase", or, -not'
    fieldsets = ((None, {"fields": ("reviewed", "kept", "risk_score", "notes")}),)
    actions: ClassVar = ["mark_reviewed", "keep", "delete_events", "restore_events"]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[QuerySet[Event], bool]:
        """Search as the API does."""
        return queryset.matching(search_term), False

    def get_rows(self, request: HttpRequest) -> QuerySet[Event]:
        """Give all that can be seen or restored, with cameras."""
        return Event.objects.deleted_too().with_camera().with_feedback()

    @admin.display(description="Picture")
    def picture(self, event: Event) -> str:
        """Show the key picture with its boxes, small."""
        return _thumbnail("event-image", event.pk) if event.key_detection_id else NOTHING

    @admin.display(description="Event")
    def event(self, event: Event) -> str:
        """Name it."""
        return str(event)

    @admin.display(description="Risk", ordering="risk_score")
    def level(self, event: Event) -> str:
        """Show score and level."""
        return risk_badge(event)

    @admin.display(description="Review")
    def decided(self, event: Event) -> str:
        """Show what people said about it."""
        words = [word for word, holds in (("reviewed", event.reviewed), ("kept", event.kept)) if holds]
        return ", ".join(words) or NOTHING

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The pipeline makes events."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An event goes by the action, which can be undone."""
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Whoever may delete events may hide and restore them."""
        return request.user.has_perm("events.delete_event")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Show the event with all that was seen."""
        context = dict(extra_context or {})
        event = self.get_object(request, unquote(object_id)) if request.method == "GET" else None
        if event is not None:
            rows = Detection.objects.of_event(event.pk)
            context |= {
                "detections": rows[:DETECTIONS_SHOWN],
                "zones": Zone.objects.get_many(event.zones),
                "risk_badge": risk_badge(event),
                "panels": [panel for panel in (make(event, request) for make in self.extra_panels) if panel],
            }
        answer: HttpResponseBase = super().change_view(request, object_id, form_url, context)
        return answer

    def save_model(self, request: HttpRequest, obj: Event, form: EventForm, change: bool) -> None:  # noqa: FBT001
        """Write what was changed by the service."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in review.EDITABLE}
        review.update_event(obj.pk, changes=changes, actor=request.user, expected_version=form.cleaned_data[VERSION])

    @admin.action(description="Mark as reviewed", permissions=["change"])
    def mark_reviewed(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        """Note that somebody looked at them."""
        self._update(request, queryset, changes={"reviewed": True}, done="reviewed")

    @admin.action(description="Keep: never remove by age", permissions=["change"])
    def keep(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        """Except them from retention."""
        self._update(request, queryset, changes={"kept": True}, done="kept")

    @admin.action(description="Delete: hide them", permissions=["remove"])
    def delete_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        """Delete softly."""
        _report(request, review.delete_events(_ids(queryset)), done="deleted")

    @admin.action(description="Restore what was deleted", permissions=["remove"])
    def restore_events(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        """Undo the deletion."""
        ids = _ids(queryset)
        for event_id in ids:
            review.restore_event(event_id)
        messages.success(request, f"{len(ids)} restored.")

    def _update(self, request: HttpRequest, queryset: QuerySet[Event], *, changes: dict[str, Any], done: str) -> None:
        _report(request, review.update_events(_ids(queryset), changes=changes, actor=request.user), done=done)


@admin.register(Detection)
class DetectionAdmin(ReadOnlyAdmin):
    """What was seen on single pictures; the pipeline owns these rows."""

    list_display = ("picture", "object_type", "sure", "camera", "event", "detected_at")
    list_display_links = ("object_type",)
    list_filter = ("camera",)
    list_select_related = ("camera", "event")
    sortable_by = ("detected_at",)
    search_fields = ("=object_type",)
    search_help_text = "Searches for one type of object, such as person"
    readonly_fields = ("whole_picture", "box")
    fields = (
        "whole_picture",
        "object_type",
        "confidence",
        "camera",
        "event",
        "snapshot",
        "detected_at",
        "box",
        "zones",
        "attributes",
        "external_id",
    )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let pages of events link to their detections."""
        return lookup == "event__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    @admin.display(description="Picture")
    def picture(self, detection: Detection) -> str:
        """Show the object, small."""
        return _thumbnail("detection-image", detection.pk, box=True) if detection.snapshot_id else NOTHING

    @admin.display(description="Confidence")
    def sure(self, detection: Detection) -> str:
        """Show how sure the detector was."""
        return f"{detection.confidence:.0%}"

    @admin.display(description="Box")
    def box(self, detection: Detection) -> str:
        """Show where on the picture it is."""
        place = f"{detection.width} x {detection.height} pixels at {detection.x}, {detection.y}"
        return f"{place} of {detection.frame_width} x {detection.frame_height}"

    @admin.display(description="Picture")
    def whole_picture(self, detection: Detection) -> str:
        """Show the object as large as it is."""
        if not detection.snapshot_id:
            return NOTHING
        address = reverse("detection-image", args=[detection.pk])
        return format_html('<img class="sa-picture" src="{}" alt="{}">', address, detection)


def risk_badge(event: Event) -> SafeString:
    """Show an event's score and level in the level's color."""
    if event.risk_score is None:
        return format_html('<span class="sa-badge">{}</span>', "no score")
    name = RiskLevel(event.risk_level).label
    return format_html('<span class="sa-badge sa-{}">{} {}</span>', event.risk_level, event.risk_score, name)


def _thumbnail(url_name: str, pk: int, *, box: bool = False) -> SafeString:
    address = reverse(url_name, args=[pk])
    style = "height: 4.5rem; aspect-ratio: auto; width: auto" if box else ""
    return format_html(
        '<div class="sa-thumb" style="{}"><img src="{}?width={}" loading="lazy" alt=""></div>',
        style,
        address,
        THUMBNAIL_WIDTH,
    )


def _ids(queryset: QuerySet[Event]) -> list[int]:
    return list(queryset.values_list("pk", flat=True))


def _report(request: HttpRequest, outcomes: list[review.ReviewOutcome], *, done: str) -> None:
    count = sum(outcome.error is None for outcome in outcomes)
    messages.success(request, f"{count} {done}.")
    if count < len(outcomes):
        messages.warning(request, f"{len(outcomes) - count} were gone already.")
