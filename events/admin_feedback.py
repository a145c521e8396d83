"""Admin pages of people's feedback on events, of their exports, and of how far renamed cameras are searched."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events.models import CameraSearch, Event, EventFeedback, Export
from siteadmin.core.admin import ReadOnlyAdmin


@admin.register(EventFeedback)
class EventFeedbackAdmin(ReadOnlyAdmin):
    """What people said; it is given and changed over the API."""

    list_display = ("event", "verdict", "expected_level", "given_by", "created_at")
    list_filter = ("verdict", "expected_level")
    list_select_related = ("event",)
    sortable_by = ("created_at",)
    fields = ("event", "verdict", "expected_level", "given_by", "created_at", "updated_at")


@admin.register(CameraSearch)
class CameraSearchAdmin(ReadOnlyAdmin):
    """By which names events are found; the rewriting owns these rows."""

    list_display = ("camera", "name", "written_to")
    list_select_related = ("camera",)
    sortable_by = ("name",)


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Files that somebody asked for over the API; only they fetch them."""

    list_display = ("requested_by", "form", "state", "rows_written", "size", "requested_at", "expires_at")
    list_filter = ("state", "form")
    search_fields = ("requested_by",)
    sortable_by = ("requested_at",)


def feedback_panel(event: Event, request: HttpRequest) -> SafeString:
    """Tell on an event's page what a person said of it; nothing where nobody did."""
    found: EventFeedback | None = getattr(event, "feedback", None)
    if found is None:
        return SafeString("")
    level = f", should be {found.get_expected_level_display()}" if found.expected_level else ""
    return format_html(
        '<div class="sa-row"><h2>Feedback</h2><a href="{}">Details</a></div><p>{}{}{}</p>',
        reverse("admin:events_eventfeedback_change", args=[found.pk]),
        found.get_verdict_display(),
        level,
        f" – {found.given_by}" if found.given_by else "",
    )
