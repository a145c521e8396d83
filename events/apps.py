"""The app events."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See docs/architecture.md."""

    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the kernel which rows wait for this app's step, and refuse a detector that does not exist."""
        # Models can be imported only now.
        from cameras.models import Snapshot
        from events.detectors import registry
        from events.services.detection import revive_snapshot
        from siteadmin.core.pipeline import Step
        from siteadmin.core.retry import register_reviver
        from siteadmin.core.sweeper import register_waiting

        registry.check_setting()
        register_waiting(Step.DETECT, Snapshot.objects)
        register_reviver(Step.DETECT, revive_snapshot)
