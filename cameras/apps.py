"""The app cameras."""

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    """See docs/architecture.md."""

    name = "cameras"
    default_auto_field = "django.db.models.BigAutoField"
