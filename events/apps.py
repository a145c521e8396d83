"""The app events."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See docs/architecture.md."""

    name = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the kernel which rows wait for this app's steps; refuse a detector or analyzer that does not exist."""
        # Models can be imported only now.
        from cameras.models import Snapshot
        from events import checks  # noqa: F401 - registers them
        from events.analyzers import registry as analyzers
        from events.detectors import registry
        from events.models import Analysis, Enrichment, Export
        from events.services.assessment import revive_analysis
        from events.services.detection import revive_snapshot
        from events.services.enrichment import revive_enrichment
        from events.services.export_jobs import revive_export
        from siteadmin.core.pipeline import Step
        from siteadmin.core.retry import register_reviver
        from siteadmin.core.sweeper import register_waiting

        registry.check_setting()
        analyzers.check_setting()
        register_waiting(Step.DETECT, Snapshot.objects)
        register_reviver(Step.DETECT, revive_snapshot)
        register_waiting(Step.ANALYZE, Analysis.objects)
        register_reviver(Step.ANALYZE, revive_analysis)
        register_waiting(Step.ENRICH, Enrichment.objects)
        register_reviver(Step.ENRICH, revive_enrichment)
        register_waiting(Step.EXPORT, Export.objects)
        register_reviver(Step.EXPORT, revive_export)
