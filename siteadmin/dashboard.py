"""The dashboard at `/`: panels, each drawn by the server and drawn anew by htmx while somebody looks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from redis.exceptions import RedisError

from alerts.models import Alert, Channel, Delivery, Mode
from alerts.services.lifecycle import acknowledge_alert, snooze_alert
from alerts.services.modes import activate_mode
from cameras.access import CameraAccess, for_request
from cameras.models import Camera, Snapshot, UnassignedUpload
from events.choices import RiskLevel
from events.models import Event
from siteadmin.core import heartbeat
from siteadmin.core.exceptions import AlertNotFoundError, ModeNotFoundError, SecurityIntelligenceError
from siteadmin.core.models import BreakerState, DeadLetter
from siteadmin.core.permissions import role_of
from siteadmin.core.roles import Role
from siteadmin.demo.service import demo_goes_on, remove_demo

EVENTS_SHOWN = 8
ALERTS_SHOWN = 6
SNOOZE_MINUTES = 60
COUNT_LIMIT = 1_000
"""Counts stop there and say `1000+`, so that no long history makes the page slow."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of the dashboard: its template `dashboard/<name>.html`, and what fills it."""

    name: str
    load: Callable[[CameraAccess], dict[str, Any]]
    seconds: int = 5
    """How often it is drawn anew."""
    is_of_cameras: bool = True
    """Whether it shows cameras and what is theirs; otherwise it is hidden from whoever is limited to some."""


def _numbers(access: CameraAccess) -> dict[str, Any]:
    events = access.narrow(Event.objects.visible())
    unreviewed = events.unreviewed()
    return {
        "open_events": events.open().count_up_to(COUNT_LIMIT),
        "levels": [
            (level, unreviewed.of_level(level).count_up_to(COUNT_LIMIT)) for level in reversed(RiskLevel.values)
        ],
        "pending_alerts": access.narrow(Alert.objects.unacknowledged()).count_up_to(COUNT_LIMIT),
        "count_limit": COUNT_LIMIT,
    }


def _cameras(access: CameraAccess) -> dict[str, Any]:
    return {
        "cameras": access.narrow(Camera.objects.active(), field="id").with_latest_snapshot(),
        "camera_root": settings.CAMERA_ROOT,
        "makes_cameras": settings.AUTO_CREATE_CAMERAS,
    }


def _events(access: CameraAccess) -> dict[str, Any]:
    return {"events": access.narrow(Event.objects.visible()).with_camera()[:EVENTS_SHOWN]}


def _inbox(access: CameraAccess) -> dict[str, Any]:
    alerts = access.narrow(Alert.objects.unacknowledged().in_inbox())
    return {"alerts": alerts.with_camera()[:ALERTS_SHOWN], "now": timezone.now()}


def _mode(access: CameraAccess) -> dict[str, Any]:
    return {"modes": Mode.objects.get_all()}


def _pipeline(access: CameraAccess) -> dict[str, Any]:
    left = _left_alone()
    return {
        "queues": [
            ("Pictures waiting for detection", Snapshot.objects.waiting_count(), "admin:cameras_snapshot_changelist"),
            ("Events waiting for the rules", Event.objects.waiting_count(), "admin:events_event_changelist"),
            ("Deliveries waiting", Delivery.objects.waiting_count(), "admin:alerts_delivery_changelist"),
        ],
        "camera_root": settings.CAMERA_ROOT,
        "loose": left.pop(heartbeat.LOOSE, 0),
        "passed_over": sorted(left.items(), key=lambda one: -one[1]),
        "unassigned": UnassignedUpload.objects.waiting().count_up_to(COUNT_LIMIT),
        "failed_snapshots": Snapshot.objects.failed().count_up_to(COUNT_LIMIT),
        "dead_letters": DeadLetter.objects.dead().count_up_to(COUNT_LIMIT),
        "channels_off": Channel.objects.switched_off(),
        "breakers": BreakerState.objects.troubled(),
        "count_limit": COUNT_LIMIT,
    }


def _left_alone() -> dict[str, int]:
    """Give how many files the watcher left where they are, by suffix or as `LOOSE`; none where unknown."""
    try:
        life = heartbeat.watcher_life()
    except (RedisError, OSError):
        return {}
    return dict(life.left) if life else {}


PANELS = {
    panel.name: panel
    for panel in (
        Panel("numbers", _numbers),
        Panel("cameras", _cameras),
        Panel("events", _events),
        Panel("mode", _mode, is_of_cameras=False),
        Panel("inbox", _inbox),
        Panel("pipeline", _pipeline, is_of_cameras=False),
    )
}


def panels_for(access: CameraAccess) -> dict[str, Panel]:
    """Give the panels that whoever has this access may see."""
    return {name: panel for name, panel in PANELS.items() if panel.is_of_cameras or not access.is_limited}


@require_GET
@staff_member_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show all panels that whoever asks may see."""
    access = for_request(request)
    panels = panels_for(access)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Dashboard",
        "panels_by_name": panels,
        "has_demo": not access.is_limited and bool(Camera.objects.demo_created_after(None)),
        "demo_goes_on": demo_goes_on(now=timezone.now()),
        **_rights(request),
    }
    for panel in panels.values():
        context |= panel.load(access)
    return render(request, "dashboard/index.html", context)


@require_GET
@staff_member_required
def dashboard_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Draw one panel, for htmx."""
    panels = panels_for(for_request(request))
    if name not in panels:
        raise Http404
    return _render_panel(request, panels[name])


@require_POST
@staff_member_required
def acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Acknowledge an alert of the inbox; a browser without JavaScript comes back to the whole page."""
    if not _rights(request)["may_acknowledge"]:
        raise PermissionDenied("Acknowledging takes the role reviewer")
    return _act_on_inbox(request, alert_id, partial(acknowledge_alert, by=request.user))


@require_POST
@staff_member_required
def snooze(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Snooze an alert of the inbox for an hour; a browser without JavaScript comes back to the whole page."""
    if not _rights(request)["may_acknowledge"]:
        raise PermissionDenied("Snoozing takes the role reviewer")
    return _act_on_inbox(request, alert_id, partial(snooze_alert, minutes=SNOOZE_MINUTES, by=request.user))


def _act_on_inbox(request: HttpRequest, alert_id: int, act: Callable[[int], Alert]) -> HttpResponse:
    error = ""
    try:
        alert = Alert.objects.get_by_id(alert_id)
        if alert is None or not for_request(request).allows(alert.camera_id):
            raise AlertNotFoundError(alert_id)
        act(alert_id)
    except SecurityIntelligenceError as refusal:  # somebody else was faster, say
        error = refusal.message
    if request.htmx:  # type: ignore[attr-defined]  # set by django-htmx's middleware
        return _render_panel(request, PANELS["inbox"], error=error)
    if error:
        messages.error(request, error)
    return redirect("dashboard")


@require_POST
@staff_member_required
def switch_mode(request: HttpRequest, mode_id: int) -> HttpResponse:
    """Make a mode the active one; a browser without JavaScript comes back to the whole page."""
    if not _rights(request)["may_operate_all"]:
        raise PermissionDenied("Switching the mode takes the role operator")
    error = ""
    try:
        mode = Mode.objects.get_by_id(mode_id)
        if mode is None:
            raise ModeNotFoundError(mode_id)
        activate_mode(mode.name, by=request.user.get_username())
    except SecurityIntelligenceError as refusal:  # somebody deleted it, say
        error = refusal.message
    if request.htmx:  # type: ignore[attr-defined]  # set by django-htmx's middleware
        return _render_panel(request, PANELS["mode"], error=error)
    if error:
        messages.error(request, error)
    return redirect("dashboard")


@require_POST
@staff_member_required
def end_demo(request: HttpRequest) -> HttpResponse:
    """Take the demo away with all that came of it."""
    if not _rights(request)["may_operate_all"]:
        raise PermissionDenied("Removing the demo takes the role operator")
    remove_demo()
    messages.success(request, "The demo is gone.")
    return redirect("dashboard")


def _rights(request: HttpRequest) -> dict[str, bool]:
    role = role_of(request) or Role.VIEWER
    is_limited = for_request(request).is_limited
    return {
        "may_acknowledge": role.includes(Role.REVIEWER),
        # What belongs to no camera, modes and the demo here, is for those who see all.
        "may_operate_all": role.includes(Role.OPERATOR) and not is_limited,
    }


def _render_panel(request: HttpRequest, panel: Panel, *, error: str = "") -> HttpResponse:
    context = {"panel": panel, "error": error, **_rights(request), **panel.load(for_request(request))}
    return render(request, f"dashboard/{panel.name}.html", context)
