"""What people make of an alert: acknowledged, dismissed, snoozed; each step one conditional statement."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from django.db import transaction

from alerts.models import Alert, Delivery, Escalation
from siteadmin.core.audit import recording
from siteadmin.core.exceptions import (
    AlertNotFoundError,
    InvalidStateTransitionError,
    SecurityIntelligenceError,
    VersionConflictError,
)


class Actor(Protocol):
    """Who acts: a member of staff or an API key."""

    def get_username(self) -> str:
        """Give the name under which the act is recorded."""


def acknowledge_alert(alert_id: int, *, by: Actor, note: str | None = None, version: int | None = None) -> Alert:
    """Note that somebody knows of a pending or delivered alert, and give the alert.

    `version`: only where nobody changed the alert since. Raises AlertNotFoundError, InvalidStateTransitionError
    or VersionConflictError.
    """
    with transaction.atomic():
        with recording("acknowledge", Alert.objects, [alert_id]):
            done = Alert.objects.acknowledge(alert_id, by=by.get_username(), note=note, version=version)
        return _settle(alert_id, done=done, step="acknowledged", version=version)


def dismiss_alert(alert_id: int, *, by: Actor, note: str | None = None, version: int | None = None) -> Alert:
    """Put an alert aside: what of it still waits to be sent is skipped, and its snooze is over.

    Raises as `acknowledge_alert` does.
    """
    with transaction.atomic():
        # First the deliveries, then the alert, as a worker does that has delivered one: nobody waits in a circle.
        Delivery.objects.skip_waiting(alert_id)
        with recording("dismiss", Alert.objects, [alert_id]):
            done = Alert.objects.dismiss(alert_id, by=by.get_username(), note=note, version=version)
        alert = _settle(alert_id, done=done, step="dismissed", version=version)
        Escalation.objects.look_again(alert.dedup_key)
        return alert


def snooze_alert(
    alert_id: int, *, minutes: int, by: Actor, note: str | None = None, version: int | None = None
) -> Alert:
    """Leave people in peace for so many minutes: nothing is sent for it, nor for more under its key; gives the alert.

    Possible until it is dismissed; again sets the time anew. Raises as `acknowledge_alert` does.
    """
    with transaction.atomic():
        Delivery.objects.delay_waiting(alert_id, wait=timedelta(minutes=minutes))
        with recording("snooze", Alert.objects, [alert_id]):
            done = Alert.objects.snooze(alert_id, minutes=minutes, by=by.get_username(), note=note, version=version)
        alert = _settle(alert_id, done=done, step="snoozed", version=version)
        Escalation.objects.look_again(alert.dedup_key)
        return alert


@dataclass(slots=True, frozen=True)
class ActOutcome:
    """What became of one alert of several; `error` where the step was refused."""

    alert_id: int
    error: SecurityIntelligenceError | None = None


def act_on_alerts(
    act: Callable[..., Alert], alert_ids: Iterable[int], *, camera_ids: frozenset[str] | None = None, **said: Any
) -> list[ActOutcome]:
    """Take one step with each of these alerts (of these cameras alone, where given); each by itself, in order."""
    outcomes = []
    for alert_id in alert_ids:
        error: SecurityIntelligenceError | None = None
        try:
            if not Alert.objects.is_seen(alert_id, camera_ids=camera_ids):
                raise AlertNotFoundError(alert_id)
            act(alert_id, **said)
        except SecurityIntelligenceError as refusal:
            error = refusal
        outcomes.append(ActOutcome(alert_id, error))
    return outcomes


def _settle(alert_id: int, *, done: bool, step: str, version: int | None) -> Alert:
    alert = Alert.objects.get_by_id(alert_id)
    if alert is None:
        raise AlertNotFoundError(alert_id)
    if not done:
        details = {"alert_id": alert.pk, "status": alert.status, "version": alert.version}
        if version not in (None, alert.version):
            raise VersionConflictError(details=details)
        raise InvalidStateTransitionError(f"An alert that is {alert.status} cannot be {step}", details=details)
    return alert
