"""The app events."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See docs/architecture.md."""

    name = "events"
    default_auto_field = "django.db.models.BigAutoField"
