"""What people say of an event's judgement: one feedback an event."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from events.choices import Verdict
from events.exceptions import FeedbackNotFoundError
from events.models import Event, EventFeedback
from siteadmin.core.audit import changing, record_created
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
        record_created(made)
        return made


def change_feedback(
    event_id: int, *, changes: Mapping[str, Any], given_by: str = "", expected_version: int | None = None
) -> EventFeedback:
    """Write what a person says now; what is not named stays, but a level goes with the verdict that had it.

    VersionConflictError where somebody changed it since `expected_version`.
    """
    with transaction.atomic():
        _lock(event_id)
        found = get_feedback(event_id)
        wanted = {name: changes.get(name, getattr(found, name)) for name in EDITABLE}
        if wanted["verdict"] != Verdict.SEVERITY_WRONG and "expected_level" not in changes:
            wanted["expected_level"] = None
        check_feedback(**wanted)
        with changing(found, expected_version=expected_version):
            if any(getattr(found, name) != value for name, value in wanted.items()):
                for name, value in wanted.items():
                    setattr(found, name, value)
                found.given_by = given_by
                setattr(found, "updated_at", Now())  # noqa: B010 - an expression, which the stubs do not know here
                EventFeedback.objects.update(found)
        return found


def remove_feedback(event_id: int, *, expected_version: int | None = None) -> None:
    """Take back what was said; raises FeedbackNotFoundError where nothing was, and VersionConflictError."""
    with transaction.atomic():
        _lock(event_id)
        found = get_feedback(event_id)
        with changing(found, action="delete", expected_version=expected_version):
            EventFeedback.objects.delete(found)


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
