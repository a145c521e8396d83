"""What people decide about events: reviewed, notes, kept, score, deleted or back again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import transaction

from events.models import Event
from events.services.assessment import resume_analysis
from siteadmin.core.audit import recording
from siteadmin.core.exceptions import EventNotFoundError, VersionConflictError
from siteadmin.core.pipeline import Step, dispatch

EDITABLE = ("reviewed", "notes", "kept", "risk_score")
"""The fields of an event that are a person's; all others are the pipeline's."""


class Actor(Protocol):
    """Who decides: a member of staff or an API key."""

    def get_username(self) -> str:
        """Give the name under which the decision is kept."""


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What became of one event of many; `error` where there is no such event."""

    id: int
    error: EventNotFoundError | None = None


def update_event(
    event_id: int, *, changes: Mapping[str, Any], actor: Actor, expected_version: int | None = None
) -> Event:
    """Write what a person decided and give the event as it is then; what says nothing new changes nothing.

    `changes` has some of EDITABLE. A score is the person's from then on, and the rules see it. Raises
    EventNotFoundError, and VersionConflictError where somebody changed the event since `expected_version`.
    """
    _check_names(changes)
    with transaction.atomic():
        with recording("update", Event.objects, [event_id]):
            changed = Event.objects.change(
                [event_id], changes=changes, by=actor.get_username(), version=expected_version
            )
        event = _get_visible(event_id)
        if not changed and expected_version not in (None, event.version):
            raise _conflict(event)
        if changed and "risk_score" in changes:
            dispatch(Step.EVALUATE, event_id)
    return event


def delete_event(event_id: int, *, expected_version: int | None = None) -> None:
    """Hide the event until it is restored; raises as `update_event` does."""
    with recording("delete", Event.objects, [event_id]):
        if not Event.objects.mark_deleted([event_id], version=expected_version):
            raise _conflict(_get_visible(event_id))


def restore_event(event_id: int) -> Event:
    """Show a deleted event again, and let analyzer and rules see it; one that is not deleted stays as it is."""
    with transaction.atomic():
        with recording("restore", Event.objects, [event_id]):
            restored = Event.objects.unmark_deleted(event_id)
        if restored:
            resume_analysis(event_id)
            dispatch(Step.EVALUATE, event_id)
        return _get_visible(event_id)


def update_events(
    event_ids: Sequence[int],
    *,
    changes: Mapping[str, Any],
    actor: Actor,
    camera_ids: frozenset[str] | None = None,
) -> list[ReviewOutcome]:
    """Write the same decision on many events, all or none; one outcome an id, in order.

    `camera_ids`: the cameras whose events may be changed, None for all; any other event is not found.
    """
    _check_names(changes)
    with transaction.atomic():
        known = Event.objects.lock_visible(set(event_ids), camera_ids=camera_ids)
        with recording("update", Event.objects, known):
            Event.objects.change(known, changes=changes, by=actor.get_username())
        if "risk_score" in changes:
            for event_id in known:
                dispatch(Step.EVALUATE, event_id)
    return _outcomes(event_ids, known)


def delete_events(event_ids: Sequence[int], *, camera_ids: frozenset[str] | None = None) -> list[ReviewOutcome]:
    """Hide many events, all or none; one outcome an id, in order."""
    with transaction.atomic():
        known = Event.objects.lock_visible(set(event_ids), camera_ids=camera_ids)
        with recording("delete", Event.objects, known):
            Event.objects.mark_deleted(known)
    return _outcomes(event_ids, known)


def _outcomes(event_ids: Sequence[int], known: Sequence[int]) -> list[ReviewOutcome]:
    found = set(known)
    return [ReviewOutcome(one, None if one in found else EventNotFoundError(one)) for one in event_ids]


def _get_visible(event_id: int) -> Event:
    event = Event.objects.get_visible(event_id)
    if event is None:
        raise EventNotFoundError(event_id)
    return event


def _conflict(event: Event) -> VersionConflictError:
    return VersionConflictError(details={"event_id": event.pk, "version": event.version})


def _check_names(changes: Mapping[str, Any]) -> None:
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise ValueError(f"not a person's to change: {', '.join(sorted(unknown))}")
