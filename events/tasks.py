"""The steps of this app as Celery runs them."""

from celery import shared_task

from cameras.choices import DETECT_SOFT_TIME_LIMIT, DETECT_TIME_LIMIT
from events.results import CloseResult, DetectionRunResult, RetentionResult
from events.services import retention
from events.services.closing import close_idle_events
from events.services.detection import detect_snapshot
from siteadmin.core.pipeline import Step


@shared_task(name=Step.DETECT.value, soft_time_limit=DETECT_SOFT_TIME_LIMIT, time_limit=DETECT_TIME_LIMIT)
def detect(snapshot_id: int) -> DetectionRunResult:
    """Look at one snapshot."""
    return detect_snapshot(snapshot_id)


@shared_task(name="events.close_idle")
def close_idle() -> CloseResult:
    """Close events that have fallen idle; beat runs it every few seconds."""
    return close_idle_events()


@shared_task(name="events.remove_old")
def remove_old() -> RetentionResult:
    """Remove what is older than it is to be kept; beat runs it every hour."""
    return retention.remove_old()
