"""The app cameras."""

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    """See docs/architecture.md."""

    name = "cameras"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        from cameras import checks  # noqa: F401, PLC0415 - models must be loaded first
