"""The queue at `/review/`: events that nobody has looked at, one after the other, the newest first."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods

from cameras.access import for_request
from cameras.models import Camera, Zone
from events.choices import LONGEST_NOTES, Decision, RiskLevel
from events.models import Detection, Event
from events.queue_repositories import Place, count_waiting, next_waiting
from events.repositories import EventQuerySet
from events.services.queue import decide_event
from siteadmin.core.exceptions import EventNotFoundError, VersionConflictError
from siteadmin.core.permissions import role_of
from siteadmin.core.roles import Role

DETECTIONS_SHOWN = 24
COUNT_LIMIT = 1_000
"""The count of what waits stops there and says `1000+`."""
DONE = {
    Decision.REVIEWED: "Reviewed",
    Decision.FALSE_ALARM: "Noted as a false alarm",
    Decision.KEPT: "Reviewed and kept",
    Decision.AGAIN: "Waits for review again",
}


class QueueForm(forms.Form):
    """Which of the events that wait; what is none of the choices is refused on the page, and leaves out nothing."""

    camera = forms.ChoiceField(required=False)
    level = forms.ChoiceField(
        label="Risk",
        required=False,
        choices=[
            ("", "any"),
            (RiskLevel.CRITICAL, "Critical"),
            *((level, f"{level.label} or more") for level in (RiskLevel.HIGH, RiskLevel.MEDIUM)),
        ],
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.GET)
        cameras = for_request(request).narrow(Camera.objects.active(), field="id")
        self.fields["camera"].choices = [("", "all"), *((camera.pk, camera.name) for camera in cameras)]  # type: ignore[attr-defined]


class DecisionForm(forms.Form):
    """What somebody decides about the event that they saw."""

    decision = forms.ChoiceField(choices=Decision.choices)
    notes = forms.CharField(required=False, max_length=LONGEST_NOTES, strip=False)
    version = forms.IntegerField(min_value=1)


@dataclass(frozen=True, slots=True)
class Queue:
    """The events that wait for whoever asks, and how they narrowed them."""

    form: QueueForm
    rows: EventQuerySet
    levels: list[str | None]
    query: str
    """The same choice as a query string, for links and forms."""

    @classmethod
    def of(cls, request: HttpRequest) -> "Queue":
        """Read what was chosen."""
        form = QueueForm(request)
        form.is_valid()
        chosen = {name: value for name, value in form.cleaned_data.items() if value}
        rows = for_request(request).narrow(Event.objects.for_api())
        if "camera" in chosen:
            rows = rows.of_camera(chosen["camera"])
        every: list[str] = list(RiskLevel.values)
        level = chosen.get("level")
        levels: list[str | None] = [None, *every] if level is None else [*every[every.index(level) :]]
        return cls(form, rows, levels, urlencode(chosen))

    def next(self, beyond: Place | None = None, *, is_newer: bool = False) -> int | None:
        """Give the id of the next event that waits."""
        return next_waiting(self.rows, levels=self.levels, beyond=beyond, is_newer=is_newer)

    def count(self) -> int:
        """Count what waits, up to COUNT_LIMIT."""
        return count_waiting(self.rows, levels=self.levels, up_to=COUNT_LIMIT)

    def address(self, event_id: int | None) -> str:
        """Give the page of this event within the queue, or of the queue's end."""
        page = reverse("review") if event_id is None else reverse("review-event", args=[event_id])
        return f"{page}?{self.query}" if self.query else page


@require_GET
@staff_member_required
def review(request: HttpRequest) -> HttpResponse:
    """Lead to the newest event that waits, or say that none does."""
    queue = Queue.of(request)
    for name, errors in queue.form.errors.items():
        messages.error(request, f"{name}: {' '.join(map(str, errors))}")
    found = queue.next()
    if found is not None:
        return redirect(queue.address(found))
    context = {**admin.site.each_context(request), "title": "Review", "form": queue.form}
    return render(request, "events/review_done.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_member_required
def review_event(request: HttpRequest, event_id: int) -> HttpResponse:
    """Show one event of the queue, or take what somebody decides about it and go on to the next."""
    queue = Queue.of(request)
    event = (
        for_request(request).narrow(Event.objects.for_api().with_camera().with_picture()).filter(pk=event_id).first()
    )
    if event is None:
        raise Http404
    if request.method != "POST":
        return _show(request, queue, event, DecisionForm(initial={"notes": event.notes, "version": event.version}))
    if not _may_decide(request):
        raise PermissionDenied("Reviewing takes the role reviewer")
    form = DecisionForm(request.POST)
    return _decide(request, queue, event, form.cleaned_data) if form.is_valid() else _show(request, queue, event, form)


def _show(request: HttpRequest, queue: Queue, event: Event, form: DecisionForm) -> HttpResponse:
    place = event.started_at, event.pk
    older, newer = queue.next(place), queue.next(place, is_newer=True)
    context = {
        **admin.site.each_context(request),
        "title": "Review",
        "event": event,
        "decision": form,
        "form": queue.form,
        "detections": Detection.objects.of_event(event.pk)[:DETECTIONS_SHOWN],
        "zones": Zone.objects.get_many(event.zones),
        "here": queue.address(event.pk),
        "older": queue.address(older) if older else "",
        "older_id": older,
        "newer": queue.address(newer) if newer else "",
        "waiting": queue.count(),
        "count_limit": COUNT_LIMIT,
        "may_decide": _may_decide(request),
    }
    return render(request, "events/review.html", context, status=400 if form.errors else 200)


def _decide(request: HttpRequest, queue: Queue, event: Event, values: dict[str, Any]) -> HttpResponse:
    decision = Decision(values["decision"])
    try:
        decide_event(
            event.pk,
            decision=decision,
            notes=values["notes"],
            actor=request.user,
            expected_version=values["version"],
        )
    except VersionConflictError:
        messages.warning(request, "Somebody changed this event meanwhile: here it is as it is now.")
        return redirect(queue.address(event.pk))
    except EventNotFoundError:
        messages.warning(request, "The event is gone: it was deleted, or merged into another.")
    else:
        here = queue.address(event.pk)
        messages.success(request, format_html('{}: <a href="{}">{}</a>.', DONE[decision], here, event))
        if decision == Decision.AGAIN:
            return redirect(here)
    return redirect(queue.address(queue.next((event.started_at, event.pk))))


def _may_decide(request: HttpRequest) -> bool:
    role = role_of(request)
    return role is not None and role.includes(Role.REVIEWER)


urlpatterns = [
    path("review/", review, name="review"),
    path("review/<int:event_id>/", review_event, name="review-event"),
]
