"""The admin pages of devices with notifications and of what brokers were told."""

from typing import ClassVar

from django.contrib import admin

from alerts.models import CameraState, PushSubscription, VapidKey
from siteadmin.core.admin import ReadOnlyAdmin


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ReadOnlyAdmin):
    """Browsers that show notifications; each is enabled and disabled by its owner."""

    list_display: ClassVar = ["device", "user", "created_at", "last_used_at"]
    list_select_related: ClassVar = ["user"]
    fields: ClassVar = list_display


@admin.register(VapidKey)
class VapidKeyAdmin(ReadOnlyAdmin):
    """The key by which push services know the site."""

    list_display: ClassVar = ["public_key", "created_at"]
    fields: ClassVar = list_display


@admin.register(CameraState)
class CameraStateAdmin(ReadOnlyAdmin):
    """What MQTT brokers were told of cameras."""

    list_display: ClassVar = ["camera", "channel", "due_at", "attempts"]
    list_select_related: ClassVar = ["camera", "channel"]
    fields: ClassVar = list_display
