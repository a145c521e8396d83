"""The admin pages of what reaches devices and brokers."""

from typing import ClassVar

from django.contrib import admin

from alerts.models import MqttConnection, PushSubscription, VapidKey
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


@admin.register(MqttConnection)
class MqttConnectionAdmin(ReadOnlyAdmin):
    """The kept connections to MQTT brokers."""

    list_display: ClassVar = ["channel", "is_connected", "since", "failures", "error"]
    list_select_related: ClassVar = ["channel"]
    fields: ClassVar = list_display
