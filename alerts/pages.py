"""Pages of the alerts: notifications on this device, and the service worker that shows them."""

from pathlib import Path

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from alerts.models import PushSubscription
from alerts.services.push import public_key, remove_device, subscribe_device
from siteadmin.core.exceptions import ValidationError

WORKER = Path(settings.BASE_DIR) / "static" / "siteadmin" / "sw.js"


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


urlpatterns = [
    path("sw.js", service_worker, name="service-worker"),
    path("notifications/", devices, name="devices"),
    path("notifications/enable/", enable, name="enable-device"),
    path("notifications/<int:device_id>/disable/", disable, name="disable-device"),
]
