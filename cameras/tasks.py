"""What the worker does for cameras."""

from celery import shared_task

from cameras import services
from cameras.results import SilenceResult


@shared_task(name="cameras.mark_silent")
def mark_silent() -> SilenceResult:
    """Set cameras offline that fell silent; beat runs it every ten seconds."""
    return services.mark_silent_cameras()
