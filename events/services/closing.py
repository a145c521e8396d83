"""Closes events that have fallen idle."""

from django.conf import settings
from django.db import transaction

from events.choices import CLOSE_AT_ONCE
from events.models import Event
from events.results import CloseResult
from events.services.assessment import request_analyses
from siteadmin.core.pipeline import Step, dispatch


def close_idle_events() -> CloseResult:
    """Close events that nothing joined for the idle timeout, but on no camera whose pictures still wait.

    Each closed event waits for the configured analyzer, where there is one, and for the rules once more.
    Several runs at once close each event once.
    """
    with transaction.atomic():
        closed = Event.objects.close_idle(idle=settings.BATCH_IDLE_TIMEOUT, limit=CLOSE_AT_ONCE)
        request_analyses(closed)
        for event_id in closed:
            dispatch(Step.EVALUATE, event_id)
    return CloseResult(event_ids=tuple(closed))
