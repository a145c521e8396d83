"""Events that wait for the rules, for tests of judging."""

from typing import Any

from django.utils import timezone

from alerts.models import AlertRule, Evaluation, RuleDecision
from events.models import Event
from tests.factories import DetectionFactory, EventFactory


def waiting_event(*object_types: str, **fields: Any) -> Event:
    """Make an event with a detection of each type (a person, if none is said) that waits for the rules."""
    event: Event = EventFactory(due_at=timezone.now(), **fields)
    for object_type in object_types or ("person",):
        grow(event, object_type=object_type)
    return event


def grow(event: Event, **fields: Any) -> None:
    """Add a detection, and let the event wait for the rules."""
    DetectionFactory(event=event, camera=event.camera, **fields)
    Event.objects.wait_again(event.pk)


def decision(event: Event, rule: AlertRule) -> RuleDecision:
    """Give what was decided."""
    return RuleDecision.objects.get(event=event, rule=rule)


def why_not_yet(event: Event, rule: AlertRule) -> str:
    """Give why a rule does not hold yet; "" where nothing is stored."""
    evaluation = Evaluation.objects.of_event(event.pk)
    return "" if evaluation is None else evaluation.reasons.get(str(rule.pk), "")
