"""The app alerts."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """See docs/architecture.md."""

    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the kernel which rows wait for this app's steps, and how they are made to wait again."""
        # Models can be imported only now.
        from alerts.models import Delivery, Escalation
        from alerts.services.camera_evaluation import revive_change
        from alerts.services.evaluation import revive_event
        from cameras.models import CameraStatusChange
        from events.models import Event
        from siteadmin.core.pipeline import Step
        from siteadmin.core.retry import register_reviver
        from siteadmin.core.sweeper import register_waiting

        register_waiting(Step.EVALUATE, Event.objects)
        register_reviver(Step.EVALUATE, revive_event)
        register_waiting(Step.EVALUATE_CAMERA, CameraStatusChange.objects)
        register_reviver(Step.EVALUATE_CAMERA, revive_change)
        register_waiting(Step.DELIVER, Delivery.objects)
        register_reviver(Step.DELIVER, Delivery.objects.revive)
        register_waiting(Step.ESCALATE, Escalation.objects)
        register_reviver(Step.ESCALATE, Escalation.objects.revive)
