"""Scores events by the built-in analyzer, in the transaction that makes them grow."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from cameras.models import Zone
from events.analyzers.base import EnteredZone, EventFacts, SeenObjects
from events.analyzers.builtin import BuiltinAnalyzer
from events.choices import REPETITION_LOOKBACK, ScoredBy
from events.models import Event


def score_event(event_id: int) -> None:
    """Score one event anew; a person's score is left as it is."""
    score_events([event_id])


def score_events(event_ids: Sequence[int]) -> None:
    """Score these events anew, each of which has detections; a person's score is left as it is. Three statements."""
    if not event_ids:
        return
    analyzer = BuiltinAnalyzer()
    scores = []
    for event_id, facts in facts_of_events(event_ids).items():
        assessment = analyzer.assess(facts)
        scores.append((event_id, assessment.score, assessment.summary, assessment.reasoning))
    Event.objects.write_scores(scores, scored_by=ScoredBy.BUILTIN)


def facts_of_events(event_ids: Sequence[int]) -> dict[int, EventFacts]:
    """Give what is known of each of these events that has detections. Two statements."""
    rows = Event.objects.get_facts(event_ids, lookback=REPETITION_LOOKBACK)
    zones = {zone.pk: zone for zone in Zone.objects.get_many({zone for row in rows for zone in row["zones"]})}
    return {row["id"]: _facts_of(row, zones) for row in rows}


def _facts_of(row: Mapping[str, Any], zones: Mapping[int, Zone]) -> EventFacts:
    return EventFacts(
        camera_name=row["camera_name"],
        started_at=row["started_at"].astimezone(ZoneInfo(row["timezone"] or settings.TIME_ZONE)),
        objects=tuple(
            SeenObjects(object_type=kind, confidence=confidence, at_once=number)
            for kind, confidence, number in row["objects"]
        ),
        most_at_once=row["most_at_once"],
        zones=tuple(
            EnteredZone(name=zones[zone].name, zone_type=zones[zone].zone_type)
            for zone in row["zones"]
            if zone in zones
        ),
        earlier_events=row["earlier_events"],
    )
