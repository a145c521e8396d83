"""Read-only pages of what decides who else is told, and how often."""

from typing import ClassVar

from django.contrib import admin

from alerts.models import ChannelPace, Escalation, LinkUse
from siteadmin.core.admin import ReadOnlyAdmin


@admin.register(Escalation)
class EscalationAdmin(ReadOnlyAdmin):
    """Alerts whose next escalation step waits, and those that have none left."""

    list_display: ClassVar = ["alert", "position", "due_at", "reason", "attempts"]
    list_select_related: ClassVar = ["alert"]
    fields: ClassVar = ["alert", "position", "due_at", "reason", "attempts"]


@admin.register(ChannelPace)
class ChannelPaceAdmin(ReadOnlyAdmin):
    """How much of its period's limit each channel has used."""

    list_display: ClassVar = ["channel", "started_at", "sent"]
    list_select_related: ClassVar = ["channel"]
    fields: ClassVar = ["channel", "started_at", "sent"]


@admin.register(LinkUse)
class LinkUseAdmin(ReadOnlyAdmin):
    """Links in messages that were used."""

    list_display: ClassVar = ["delivery", "action", "used_at"]
    list_select_related: ClassVar = ["delivery"]
    fields: ClassVar = ["delivery", "action", "used_at"]
