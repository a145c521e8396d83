"""What an analyzer is: it looks at what is known of an event and says how much it matters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObjects:
    """The objects of one type: the surest one's confidence, and how many there were at once at most."""

    object_type: str
    confidence: float
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredZone:
    """A zone in which something stood."""

    name: str
    zone_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """What is known of one event."""

    camera_name: str
    started_at: datetime
    """In the camera's own time zone."""
    objects: tuple[SeenObjects, ...]
    most_at_once: int
    """The highest number of objects of all types on one picture."""
    zones: tuple[EnteredZone, ...] = ()
    attributes: tuple[Mapping[str, Any], ...] = ()
    """What is known of its surest objects beside their type, such as a plate."""
    earlier_events: int = 0
    """Events of this camera in the two hours before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How much an event matters: 0-100, one line of what happened, and why this score."""

    score: int
    summary: str
    reasoning: str


class Analyzer(Protocol):
    """An analyzer; asking it changes nothing."""

    name: str

    def assess(self, facts: EventFacts) -> Assessment:
        """Judge one event; AnalyzerUnavailableError where another try may work."""
