"""Pages of the alerts: notifications on this device, the service worker that shows them, and a rule's preview."""

from pathlib import Path

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from alerts.models import AlertRule, PushSubscription
from alerts.services.preview import preview_rule
from alerts.services.push import public_key, remove_device, subscribe_device
from siteadmin.core.exceptions import ValidationError
from siteadmin.core.permissions import camera_access, role_of
from siteadmin.core.roles import Role

WORKER = Path(settings.BASE_DIR) / "static" / "siteadmin" / "sw.js"
PREVIEW_DAYS = 7
PREVIEW_SHOWN = 50
"""Matches, and events without a match, that a preview lists; all are counted."""


@require_GET
@login_not_required
def service_worker(request: HttpRequest) -> HttpResponse:
    """Serve the service worker at the root, so that its scope is the whole site; it holds nothing secret."""
    return HttpResponse(
        WORKER.read_bytes(), content_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )


@require_GET
@staff_member_required
def devices(request: HttpRequest) -> HttpResponse:
    """Show the user's devices, and enable or disable this one."""
    assert request.user.pk is not None
    context = {
        **admin.site.each_context(request),
        "title": "Notifications on this device",
        "public_key": public_key(),
        "devices": PushSubscription.objects.of_user(request.user.pk),
    }
    return render(request, "alerts/devices.html", context)


@require_POST
@staff_member_required
def enable(request: HttpRequest) -> HttpResponse:
    """Keep this browser's subscription."""
    assert request.user.pk is not None
    names = ("endpoint", "p256dh", "auth", "device")
    try:
        subscribe_device(user_id=request.user.pk, **{name: request.POST.get(name, "") for name in names})
    except ValidationError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "This device shows notifications of every Web Push channel that is meant for you.")
    return redirect("devices")


@require_POST
@staff_member_required
def disable(request: HttpRequest, device_id: int) -> HttpResponse:
    """Forget one of the user's own devices."""
    assert request.user.pk is not None
    if remove_device(device_id, user_id=request.user.pk):
        messages.success(request, "The device gets no more notifications.")
    return redirect("devices")


@require_POST
@staff_member_required
def preview(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Show what a saved rule would have made of the last days; a browser without JavaScript gets a page of its own."""
    if not (role_of(request) or Role.VIEWER).includes(Role.OPERATOR):
        raise PermissionDenied("A preview takes the role operator")
    rule = AlertRule.objects.get_by_id(rule_id)
    if rule is None or camera_access(request).camera_ids is not None:  # rules belong to no camera
        raise Http404
    context = {**admin.site.each_context(request), "title": f"Preview of {rule.name}", "rule": rule}
    try:
        result = preview_rule(rule, channel_ids=rule.channel_ids, days=PREVIEW_DAYS)
    except ValidationError as error:  # a time zone that this machine knows no more
        context["error"] = f"{error.message}."
    else:
        matches, misses = result.matches[-PREVIEW_SHOWN:], result.misses[:PREVIEW_SHOWN]
        hidden = result.event_count - len(matches) - len(misses)
        context |= {"result": result, "matches": matches, "misses": misses, "hidden": hidden}
    whole = not request.htmx  # type: ignore[attr-defined]  # set by django-htmx's middleware
    return render(request, "alerts/preview.html" if whole else "alerts/preview_panel.html", context)


urlpatterns = [
    path("sw.js", service_worker, name="service-worker"),
    path("notifications/", devices, name="devices"),
    path("notifications/enable/", enable, name="enable-device"),
    path("notifications/<int:device_id>/disable/", disable, name="disable-device"),
    path("rules/<int:rule_id>/preview/", preview, name="preview-rule"),
]
