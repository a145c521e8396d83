"""The steps of this app as Celery runs them."""

import math

from celery import shared_task
from django.conf import settings

from cameras.choices import DETECT_SOFT_TIME_LIMIT, DETECT_TIME_LIMIT
from events.choices import LEASE_MARGIN
from events.results import (
    AnalysisResult,
    CloseResult,
    DetectionTurnResult,
    EnrichmentResult,
    ExportRemovalResult,
    ExportResult,
    RetentionResult,
    RewriteResult,
)
from events.services import retention, search
from events.services.assessment import analyze_event
from events.services.closing import close_idle_events
from events.services.detection import detect_waiting
from events.services.enrichment import enrich_detection
from events.services.export_jobs import remove_expired_exports, write_export
from siteadmin.core.pipeline import Step

ANALYZE_SOFT_LIMIT = math.ceil((settings.LLM_TIMEOUT + LEASE_MARGIN / 2).total_seconds())
ANALYZE_LIMIT = math.ceil((settings.LLM_TIMEOUT + LEASE_MARGIN).total_seconds())
"""Above the analyzer's own time limit, which ends the exchange; not above the lease."""


@shared_task(name=Step.DETECT.value, soft_time_limit=DETECT_SOFT_TIME_LIMIT, time_limit=DETECT_TIME_LIMIT)
def detect(snapshot_id: int) -> DetectionTurnResult:
    """Look at the snapshots that wait, the most urgent first; this one is known to."""
    return detect_waiting(snapshot_id)


@shared_task(name=Step.ENRICH.value)
def enrich(enrichment_id: int) -> EnrichmentResult:
    """Ask one service about one detection."""
    return enrich_detection(enrichment_id)


@shared_task(name=Step.ANALYZE.value, soft_time_limit=ANALYZE_SOFT_LIMIT, time_limit=ANALYZE_LIMIT)
def analyze(event_id: int) -> AnalysisResult:
    """Ask the configured analyzer about one closed event."""
    return analyze_event(event_id)


@shared_task(name="events.close_idle")
def close_idle() -> CloseResult:
    """Close events that have fallen idle; beat runs it every few seconds."""
    return close_idle_events()


@shared_task(name="events.remove_old")
def remove_old() -> RetentionResult:
    """Remove what is older than it is to be kept; beat runs it every hour."""
    return retention.remove_old()


@shared_task(name="events.rewrite_search", ignore_result=True)
def rewrite_search() -> RewriteResult:
    """Make events findable by their cameras' present names; beat runs it every few seconds."""
    return search.rewrite_search()


@shared_task(name=Step.EXPORT.value)
def export(export_id: int) -> ExportResult:
    """Write the next slice of an export."""
    return write_export(export_id)


@shared_task(name="events.remove_exports")
def remove_exports() -> ExportRemovalResult:
    """Remove the exports whose time is over; beat runs it every few minutes."""
    return ExportRemovalResult(removed=remove_expired_exports())
