"""Lets services outside add attributes to detections; the event never waits for them.

Each detection and service is a row of its own, written with the detection, and worked off as a step of its own.
"""

import uuid
from collections.abc import Iterable
from datetime import timedelta

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from events.choices import ENRICH_MAX_ATTEMPTS, LEASE_MARGIN, SERVICE_PATIENCE, SERVICE_RETRY_BASE, WorkState
from events.enrichers import registry
from events.exceptions import AnswerNotUsableError, RequestRefusedError
from events.models import Detection, Enrichment
from events.results import AnalysisOutcome, EnrichmentResult
from events.services.pictures import detection_crop
from siteadmin.core.breaker import CircuitBreaker
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import CircuitBreakerOpenError, EnrichmentUnavailableError, MediaNotFoundError
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import backoff, bury
from siteadmin.settings.services import LONGEST_TIMEOUT

logger = structlog.get_logger(__name__)

ENRICH_LEASE = timedelta(seconds=LONGEST_TIMEOUT) + LEASE_MARGIN


def request_enrichments(detections: Iterable[Detection]) -> None:
    """Make new, stored detections wait for the services that want them; inside the caller's transaction."""
    enrichers = registry.get_enrichers()
    if not enrichers:
        return
    pairs = [
        (detection.pk, enricher.name)
        for detection in detections
        if detection.snapshot_id is not None
        for enricher in enrichers
        if enricher.wants(detection.object_type)
    ]
    for enrichment_id in Enrichment.objects.request(pairs):
        dispatch(Step.ENRICH, enrichment_id)


def enrich_detection(enrichment_id: int) -> EnrichmentResult:
    """Ask one service about one detection that waits for it, and add what it says.

    Safe to run any number of times at once: one run claims the row, and one that lost its claim records nothing.
    """
    token = Enrichment.objects.claim(enrichment_id, lease=ENRICH_LEASE)
    enrichment = None if token is None else Enrichment.objects.get_claimed(enrichment_id, token=token)
    if token is None or enrichment is None:
        return EnrichmentResult(enrichment_id, AnalysisOutcome.NOT_DUE)
    enricher = registry.get_enricher(enrichment.service)
    if enricher is None:
        return _finish(enrichment, token=token, state=WorkState.SKIPPED, outcome=AnalysisOutcome.SKIPPED)
    if enrichment.attempts > ENRICH_MAX_ATTEMPTS:
        # Attempts are counted at the claim: this one ended its worker every time, so it is not tried once more.
        return _give_up(enrichment, token=token, error=enrichment.error or "Every try ended without an answer")
    detection = enrichment.detection
    breaker = CircuitBreaker(
        f"enrichment:{enricher.name}",
        counts=(EnrichmentUnavailableError, RequestRefusedError, SoftTimeLimitExceeded),
    )
    try:
        picture = detection_crop(detection)
        with breaker.guard():
            attributes = enricher.ask(picture, object_type=detection.object_type, confidence=detection.confidence)
    except CircuitBreakerOpenError as error:
        return _hold_back(enrichment, token=token, error=error)
    except (AnswerNotUsableError, MediaNotFoundError) as error:
        return _give_up(enrichment, token=token, error=error.message)
    except SoftTimeLimitExceeded:
        return _retry(enrichment, token=token, error="The service took too long")
    except EnrichmentUnavailableError as error:
        return _retry(enrichment, token=token, error=error.message)
    with transaction.atomic():
        result = _finish(
            enrichment, token=token, state=WorkState.DONE, outcome=AnalysisOutcome.DONE, attributes=tuple(attributes)
        )
        if attributes and result.outcome == AnalysisOutcome.DONE:
            Enrichment.objects.write_attributes(detection.pk, service=enricher.name, attributes=attributes)
    return result


def revive_enrichment(enrichment_id: int) -> bool:
    """Make an enrichment that failed for good wait again; False where it did not fail."""
    return Enrichment.objects.wait_again(enrichment_id)


def _retry(enrichment: Enrichment, *, token: uuid.UUID, error: str) -> EnrichmentResult:
    if enrichment.attempts >= ENRICH_MAX_ATTEMPTS:
        return _give_up(enrichment, token=token, error=error)
    return _postpone(enrichment, token=token, wait=backoff(enrichment.attempts, base=SERVICE_RETRY_BASE), error=error)


def _hold_back(enrichment: Enrichment, *, token: uuid.UUID, error: CircuitBreakerOpenError) -> EnrichmentResult:
    """Wait until the breaker lets calls pass, but not for ever; nobody was asked, so it counts as no attempt."""
    if timezone.now() - enrichment.requested_at > SERVICE_PATIENCE:
        return _give_up(enrichment, token=token, error=enrichment.error or error.message)
    wait = timedelta(seconds=error.retry_after or 1.0) + backoff(1, base=SERVICE_RETRY_BASE)
    reason = enrichment.error or error.message
    return _postpone(enrichment, token=token, wait=wait, error=reason, attempts=F("attempts") - 1)


def _postpone(
    enrichment: Enrichment, *, token: uuid.UUID, wait: timedelta, error: str, **fields: object
) -> EnrichmentResult:
    kept = Enrichment.objects.postpone(enrichment.pk, token=token, wait=wait, error=clean_text(error), **fields)
    logger.warning("enrichment_postponed", enrichment=enrichment.pk, wait=wait.total_seconds(), error=error)
    outcome = AnalysisOutcome.POSTPONED if kept else AnalysisOutcome.LEASE_LOST
    return EnrichmentResult(enrichment.pk, outcome, error=error)


def _give_up(enrichment: Enrichment, *, token: uuid.UUID, error: str) -> EnrichmentResult:
    with transaction.atomic():
        result = _finish(
            enrichment, token=token, state=WorkState.FAILED, outcome=AnalysisOutcome.FAILED, error=clean_text(error)
        )
        if result.outcome == AnalysisOutcome.FAILED:
            bury(
                Step.ENRICH,
                enrichment.pk,
                error=error,
                attempts=max(min(enrichment.attempts, ENRICH_MAX_ATTEMPTS), 1),
                payload={"service": enrichment.service, "detection": enrichment.detection_id},
            )
            logger.warning("enrichment_failed", enrichment=enrichment.pk, error=error)
    return result


def _finish(
    enrichment: Enrichment,
    *,
    token: uuid.UUID,
    state: WorkState,
    outcome: AnalysisOutcome,
    error: str = "",
    attributes: tuple[str, ...] = (),
) -> EnrichmentResult:
    if not Enrichment.objects.finish(enrichment.pk, token=token, state=state, error=error, finished_at=Now()):
        return EnrichmentResult(enrichment.pk, AnalysisOutcome.LEASE_LOST)
    return EnrichmentResult(enrichment.pk, outcome, attributes=attributes, error=error or None)
