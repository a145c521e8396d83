"""The app alerts."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """See docs/architecture.md."""

    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
