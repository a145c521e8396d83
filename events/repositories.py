"""Reads and atomic writes of detections and events."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import F
from django.db.models.functions import Now

from events.choices import EventState
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from events.models import Event


class EventQuerySet(RepositoryQuerySet["Event"]):
    """Reads that chain."""

    def visible(self) -> Self:
        """Leave out events that were deleted or merged into another."""
        return self.filter(deleted_at=None, merged_into=None)

    def open(self) -> Self:
        """Keep what may still grow."""
        return self.filter(state=EventState.OPEN)

    def unreviewed(self) -> Self:
        """Keep what nobody has looked at."""
        return self.filter(reviewed=False)

    def of_level(self, risk_level: str) -> Self:
        """Keep what has this risk level."""
        return self.filter(risk_level=risk_level)

    def with_camera(self) -> Self:
        """Fetch the camera along."""
        return self.select_related("camera")


_EventRepository = ClaimableRepository.from_queryset(EventQuerySet)


class EventRepository(_EventRepository["Event"]):
    """Look-ups and writes of events."""

    def get_by_camera_id(self, camera_id: str) -> Sequence["Event"]:
        """Give a camera's events, newest first."""
        return list(self.visible().filter(camera_id=camera_id))

    def get_unreviewed(self) -> Sequence["Event"]:
        """Give the events that nobody has looked at, newest first."""
        return list(self.visible().filter(reviewed=False))

    def get_by_risk_level(self, risk_level: str) -> Sequence["Event"]:
        """Give the events of this level, newest first."""
        return list(self.visible().filter(risk_level=risk_level))

    def get_high_risk_events(self, threshold: int = 70) -> Sequence["Event"]:
        """Give the events with at least this score, newest first."""
        return list(self.visible().filter(risk_score__gte=threshold))

    def get_in_date_range(self, start: datetime, end: datetime) -> Sequence["Event"]:
        """Give the events that started in [start, end), newest first."""
        return list(self.visible().filter(started_at__gte=start, started_at__lt=end))

    def mark_reviewed(self, event_id: int, notes: str | None = None) -> "Event | None":
        """Note that somebody looked at the event (with these notes, where given); None where there is none."""
        changes = {"reviewed": True, "reviewed_at": Now(), "version": F("version") + 1}
        if notes is not None:
            changes["notes"] = notes
        self.visible().filter(pk=event_id).update(**changes)
        return self.get_by_id(event_id)


class DetectionQuerySet(RepositoryQuerySet["Detection"]):
    """Reads that chain."""


_DetectionRepository = Repository.from_queryset(DetectionQuerySet)


class DetectionRepository(_DetectionRepository["Detection"]):
    """Look-ups and writes of detections."""
