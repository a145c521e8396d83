"""The app cameras."""

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    """See docs/architecture.md."""

    name = "cameras"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and what waits for a step."""
        from cameras import checks  # noqa: F401, PLC0415 - models must be loaded first
        from cameras.models import UnassignedUpload  # noqa: PLC0415
        from siteadmin.core.pipeline import Step  # noqa: PLC0415
        from siteadmin.core.sweeper import register_waiting  # noqa: PLC0415

        register_waiting(Step.ADMIT, UnassignedUpload.objects)
