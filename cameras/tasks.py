"""What the worker does for cameras."""

from celery import shared_task

from cameras import services
from cameras.results import AdmitResult, ReleaseResult, SilenceResult
from siteadmin.core.pipeline import Step


@shared_task(name=Step.ADMIT.value)
def admit(upload_id: int) -> AdmitResult:
    """Take in one upload that waited for a camera."""
    return services.admit_upload(upload_id)


@shared_task(name="cameras.release_waiting")
def release_waiting() -> ReleaseResult:
    """Set free what there is a camera for now; beat runs it every few seconds."""
    return services.release_waiting()


@shared_task(name="cameras.mark_silent")
def mark_silent() -> SilenceResult:
    """Set cameras offline that fell silent; beat runs it every ten seconds."""
    return services.mark_silent_cameras()
