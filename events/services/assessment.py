"""Asks the configured analyzer about closed events; its failure leaves the built-in score, with the reason.

Claimed, asked outside any transaction, recorded in one. What grows meanwhile is judged when it closes again.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from events.analyzers import registry
from events.analyzers.base import Assessment
from events.analyzers.builtin import BuiltinAnalyzer
from events.analyzers.llm import LlmAnalyzer, Question
from events.choices import (
    ANALYZE_MAX_ATTEMPTS,
    ANALYZE_PROMPT,
    LEASE_MARGIN,
    MOST_ATTRIBUTES,
    MOST_PICTURES,
    PICTURE_WIDTH,
    SERVICE_PATIENCE,
    SERVICE_RETRY_BASE,
    EventState,
    ScoredBy,
    WorkState,
)
from events.exceptions import AnswerNotUsableError, RequestRefusedError
from events.models import Analysis, Detection, Event
from events.results import AnalysisOutcome, AnalysisResult
from events.services import pictures, prompts
from events.services.analysis import facts_of_events
from siteadmin.core.breaker import CircuitBreaker
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import (
    AnalyzerUnavailableError,
    CircuitBreakerOpenError,
    InvalidInputError,
    MediaNotFoundError,
)
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import backoff, bury

logger = structlog.get_logger(__name__)


def request_analyses(event_ids: Sequence[int]) -> None:
    """Make closed events wait for the configured analyzer, where there is one; inside the caller's transaction."""
    if not event_ids or registry.get_analyzer() is None:
        return
    Analysis.objects.request(event_ids)
    for event_id in event_ids:
        dispatch(Step.ANALYZE, event_id)


def resume_analysis(event_id: int) -> None:
    """Make a restored event wait for the analyzer, where it was passed over while it was deleted."""
    if Analysis.objects.wait_if_skipped(event_id):
        dispatch(Step.ANALYZE, event_id)


def analyze_event(event_id: int) -> AnalysisResult:
    """Ask about an event that waits for it, and let the rules see its new score.

    Safe to run any number of times at once: one run claims the analysis, and one that lost its claim records nothing.
    """
    token = Analysis.objects.claim(event_id, lease=settings.LLM_TIMEOUT + LEASE_MARGIN)
    analysis = None if token is None else Analysis.objects.get_claimed(event_id, token=token)
    if token is None or analysis is None:
        return AnalysisResult(event_id, AnalysisOutcome.NOT_DUE)
    analyzer = registry.get_analyzer()
    if analyzer is None or not _is_seen(analysis.event):
        return _finish(analysis, token=token, state=WorkState.SKIPPED, outcome=AnalysisOutcome.SKIPPED)
    if analysis.event.state != EventState.CLOSED:
        # It grew; closing asks again.
        return _finish(analysis, token=token, state=WorkState.WAITING, outcome=AnalysisOutcome.SKIPPED)
    if analysis.attempts > ANALYZE_MAX_ATTEMPTS:
        # Attempts are counted at the claim: this one ended its worker every time, so it is not tried once more.
        return _give_up(analysis, token=token, error=analysis.error or "Every try ended without an answer")
    prompt = prompts.get_prompt(ANALYZE_PROMPT)
    Analysis.objects.note_prompt(event_id, token=token, prompt_version=prompt, model=analyzer.model)
    try:
        question = make_question(analysis.event, prompt.text, with_pictures=analyzer.sends_pictures)
        answer = ask(analyzer, question)
    except CircuitBreakerOpenError as error:
        return _hold_back(analysis, token=token, error=error)
    except (RequestRefusedError, InvalidInputError) as error:
        return _give_up(analysis, token=token, error=error.message)
    except SoftTimeLimitExceeded:
        return _retry(analysis, token=token, error="The analyzer took too long")
    except (AnalyzerUnavailableError, AnswerNotUsableError) as error:
        return _retry(analysis, token=token, error=error.message)
    return _record(analysis, token=token, answer=answer)


def revive_analysis(event_id: int) -> bool:
    """Make an analysis that failed for good wait again; False where it did not fail."""
    return Analysis.objects.wait_again(event_id)


def preview_prompt(event: Event, *, text: str) -> tuple[Question, Assessment]:
    """Ask about a past event by this prompt and store nothing; gives what was asked and the answer.

    AnalyzerUnavailableError where no analyzer is set up or it does not answer, CircuitBreakerOpenError while it is
    left alone, AnswerNotUsableError, and InvalidInputError for a prompt or an event that cannot be used.
    """
    analyzer = registry.get_analyzer()
    if analyzer is None:
        raise AnalyzerUnavailableError("No analyzer is set up; LLM_URL names one")
    prompts.check_text(text)
    question = make_question(event, text, with_pictures=analyzer.sends_pictures)
    return question, ask(analyzer, question)


def make_question(event: Event, prompt: str, *, with_pictures: bool) -> Question:
    """Gather what a model is asked about an event; InvalidInputError where nothing is left of it."""
    facts = facts_of_events([event.pk]).get(event.pk)
    if facts is None:
        raise InvalidInputError("The event has no detections any more")
    facts = replace(facts, attributes=tuple(Detection.objects.attributes_in(event.pk, limit=MOST_ATTRIBUTES)))
    taken = pictures.event_pictures(event, limit=MOST_PICTURES, max_width=PICTURE_WIDTH) if with_pictures else []
    return Question(
        prompt=prompt, facts=facts, builtin=BuiltinAnalyzer().assess(facts), pictures=tuple(_render_all(taken))
    )


def ask(analyzer: LlmAnalyzer, question: Question) -> Assessment:
    """Ask behind the breaker; what makes no sense speaks against the answer, not against the server."""
    breaker = CircuitBreaker(
        f"analyzer:{analyzer.name}", counts=(AnalyzerUnavailableError, RequestRefusedError, SoftTimeLimitExceeded)
    )
    return breaker.call(lambda: analyzer.ask(question))


def _render_all(plans: Sequence[pictures.Drawing]) -> list[bytes]:
    rendered = []
    for plan in plans:
        try:
            rendered.append(plan.render())
        except MediaNotFoundError:
            logger.info("picture_for_analysis_unreadable", file=plan.file)
    return rendered


def _is_seen(event: Event) -> bool:
    return event.deleted_at is None and event.merged_into_id is None and event.camera.deleted_at is None


def _record(analysis: Analysis, *, token: uuid.UUID, answer: Assessment) -> AnalysisResult:
    event_id = analysis.pk
    with transaction.atomic():
        # First the event, then its analysis, as closing does.
        if not Event.objects.lock_closed(event_id):
            return _finish(analysis, token=token, state=WorkState.WAITING, outcome=AnalysisOutcome.SKIPPED)
        result = _finish(analysis, token=token, state=WorkState.DONE, outcome=AnalysisOutcome.DONE, score=answer.score)
        if result.outcome == AnalysisOutcome.DONE:
            scores = [(event_id, answer.score, answer.summary, answer.reasoning)]
            Event.objects.write_scores(scores, scored_by=ScoredBy.LLM)
            Event.objects.wait_again(event_id)
            dispatch(Step.EVALUATE, event_id)
    return result


def _retry(analysis: Analysis, *, token: uuid.UUID, error: str) -> AnalysisResult:
    if analysis.attempts >= ANALYZE_MAX_ATTEMPTS:
        return _give_up(analysis, token=token, error=error)
    return _postpone(analysis, token=token, wait=backoff(analysis.attempts, base=SERVICE_RETRY_BASE), error=error)


def _hold_back(analysis: Analysis, *, token: uuid.UUID, error: CircuitBreakerOpenError) -> AnalysisResult:
    """Wait until the breaker lets calls pass, but not for ever; nobody was asked, so it counts as no attempt."""
    if timezone.now() - analysis.requested_at > SERVICE_PATIENCE:
        return _give_up(analysis, token=token, error=analysis.error or error.message)
    wait = timedelta(seconds=error.retry_after or 1.0) + backoff(1, base=SERVICE_RETRY_BASE)
    return _postpone(
        analysis, token=token, wait=wait, error=analysis.error or error.message, attempts=F("attempts") - 1
    )


def _postpone(analysis: Analysis, *, token: uuid.UUID, wait: timedelta, error: str, **fields: object) -> AnalysisResult:
    kept = Analysis.objects.postpone(analysis.pk, token=token, wait=wait, error=clean_text(error), **fields)
    logger.warning("analysis_postponed", event_id=analysis.pk, wait=wait.total_seconds(), error=error)
    outcome = AnalysisOutcome.POSTPONED if kept else AnalysisOutcome.LEASE_LOST
    return AnalysisResult(analysis.pk, outcome, error=error)


def _give_up(analysis: Analysis, *, token: uuid.UUID, error: str) -> AnalysisResult:
    with transaction.atomic():
        result = _finish(
            analysis, token=token, state=WorkState.FAILED, outcome=AnalysisOutcome.FAILED, error=clean_text(error)
        )
        if result.outcome == AnalysisOutcome.FAILED:
            attempts = max(min(analysis.attempts, ANALYZE_MAX_ATTEMPTS), 1)
            bury(
                Step.ANALYZE, analysis.pk, error=error, attempts=attempts, payload={"camera": analysis.event.camera_id}
            )
            logger.warning("analysis_failed", event_id=analysis.pk, error=error)
    return result


def _finish(
    analysis: Analysis,
    *,
    token: uuid.UUID,
    state: WorkState,
    outcome: AnalysisOutcome,
    error: str = "",
    score: int | None = None,
) -> AnalysisResult:
    finished_at = None if state == WorkState.WAITING else Now()
    kept = Analysis.objects.finish(
        analysis.pk, token=token, state=state, error=error, score=score, finished_at=finished_at
    )
    if not kept:
        return AnalysisResult(analysis.pk, AnalysisOutcome.LEASE_LOST)
    return AnalysisResult(analysis.pk, outcome, score=score, error=error or None)
