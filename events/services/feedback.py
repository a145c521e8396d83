"""What people say of an event's judgement: one feedback an event."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from events.choices import Verdict
from events.exceptions import FeedbackNotFoundError
from events.models import Event, EventFeedback
from siteadmin.core.exceptions import DuplicateResourceError, EventNotFoundError, InvalidInputError

EDITABLE = ("verdict", "expected_level")


def get_feedback(event_id: int) -> EventFeedback:
    """Give what was said of the event; raises FeedbackNotFoundError."""
    found = EventFeedback.objects.of_event(event_id)
    if found is None:
        raise FeedbackNotFoundError(details={"event_id": event_id})
    return found


def give_feedback(
    event_id: int, *, verdict: str, expected_level: str | None = None, given_by: str = ""
) -> EventFeedback:
    """Note what a person says; raises DuplicateResourceError where somebody said something already."""
    check_feedback(verdict=verdict, expected_level=expected_level)
    with transaction.atomic():
        _lock(event_id)
        if EventFeedback.objects.of_event(event_id) is not None:
            raise DuplicateResourceError("The event has feedback already; change that", details={"event_id": event_id})
        made = EventFeedback(event_id=event_id, verdict=verdict, expected_level=expected_level, given_by=given_by)
        EventFeedback.objects.create(made)
        return get_feedback(event_id)


def change_feedback(event_id: int, *, changes: Mapping[str, Any], given_by: str = "") -> EventFeedback:
    """Write what a person says now; what is not named stays, but a level goes with the verdict that had it."""
    with transaction.atomic():
        _lock(event_id)
        found = get_feedback(event_id)
        wanted = {name: changes.get(name, getattr(found, name)) for name in EDITABLE}
        if wanted["verdict"] != Verdict.SEVERITY_WRONG and "expected_level" not in changes:
            wanted["expected_level"] = None
        check_feedback(**wanted)
        if any(getattr(found, name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                setattr(found, name, value)
            found.given_by = given_by
            setattr(found, "updated_at", Now())  # noqa: B010 - an expression, which the stubs do not know here
            EventFeedback.objects.update(found)
        return get_feedback(event_id)


def remove_feedback(event_id: int) -> None:
    """Take back what was said; raises FeedbackNotFoundError where nothing was."""
    with transaction.atomic():
        _lock(event_id)
        if not EventFeedback.objects.delete_of_event(event_id):
            raise FeedbackNotFoundError(details={"event_id": event_id})


def check_feedback(*, verdict: str, expected_level: str | None) -> None:
    """Refuse a wrong severity without the right one, and a level with any other verdict."""
    is_severity = verdict == Verdict.SEVERITY_WRONG
    if is_severity == (expected_level is not None):
        return
    rule = "is needed with 'severity_wrong'" if is_severity else "goes with 'severity_wrong' alone"
    message = f"'expected_level' {rule}"
    code = "required" if is_severity else "invalid"
    raise InvalidInputError(message, errors=[{"field": "expected_level", "code": code, "detail": message}])


def _lock(event_id: int) -> None:
    """Hold the event, so that it is not merged into another meanwhile."""
    if not Event.objects.lock_visible([event_id]):
        raise EventNotFoundError(event_id)
