"""What a person says of an event in the queue: one decision, its notes and its feedback together or not at all."""

from typing import Any

from django.db import transaction

from events.choices import Decision, Verdict
from events.exceptions import FeedbackNotFoundError
from events.models import Event
from events.services.feedback import change_feedback, get_feedback, give_feedback
from events.services.review import Actor, update_event

_CHANGES: dict[Decision, dict[str, Any]] = {
    Decision.REVIEWED: {"reviewed": True},
    Decision.FALSE_ALARM: {"reviewed": True},
    Decision.KEPT: {"reviewed": True, "kept": True},
    Decision.AGAIN: {"reviewed": False},
}


def decide_event(
    event_id: int, *, decision: Decision, notes: str | None = None, actor: Actor, expected_version: int | None = None
) -> Event:
    """Write the decision and give the event as it is then; `notes` None: they stay.

    A false alarm is feedback too, in the place of what was said before. EventNotFoundError, and VersionConflictError
    where somebody changed the event since `expected_version`.
    """
    changes = _CHANGES[decision] | ({} if notes is None else {"notes": notes})
    with transaction.atomic():
        event = update_event(event_id, changes=changes, actor=actor, expected_version=expected_version)
        if decision == Decision.FALSE_ALARM:
            _say_false_alarm(event_id, by=actor.get_username())
    return event


def _say_false_alarm(event_id: int, *, by: str) -> None:
    try:
        get_feedback(event_id)
    except FeedbackNotFoundError:
        give_feedback(event_id, verdict=Verdict.FALSE_POSITIVE, given_by=by)
    else:
        change_feedback(event_id, changes={"verdict": Verdict.FALSE_POSITIVE}, given_by=by)
