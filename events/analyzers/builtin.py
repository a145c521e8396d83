"""The score that needs no service: a sum of documented shares (docs/risk-score.md). Pure and deterministic."""

from cameras.choices import ZoneType
from events.analyzers.base import Assessment, EnteredZone, EventFacts, SeenObjects

TYPE_SHARE = {
    "person": 40,
    "car": 20,
    "truck": 20,
    "bus": 20,
    "motorcycle": 20,
    "vehicle": 20,
    "bicycle": 15,
    "package": 15,
    "dog": 10,
    "animal": 10,
    "cat": 5,
    "bird": 5,
}
OTHER_TYPE_SHARE = 10
MOST_FOR_CONFIDENCE = 10
FOR_EACH_FURTHER, MOST_FOR_FURTHER = 5, 10
ZONE_SHARE = {
    ZoneType.ENTRY_POINT: 20,
    ZoneType.YARD: 15,
    ZoneType.DRIVEWAY: 10,
    ZoneType.OTHER: 5,
    ZoneType.SIDEWALK: 0,
}
NIGHT_FROM, NIGHT_UNTIL, NIGHT_SHARE = 22, 6, 15
FOR_EACH_EARLIER, MOST_FOR_EARLIER = 2, 5

NAMED_ZONES = 3
PLURALS = {"person": "people", "bus": "buses"}


class BuiltinAnalyzer:
    """Adds up what speaks for an event: the shares' highest values make 100."""

    name = "builtin"

    def assess(self, facts: EventFacts) -> Assessment:
        """Judge one event; the same facts give the same answer."""
        shares = _shares(facts)
        score = min(sum(points for _, points in shares), 100)
        reasoning = ", ".join(f"{reason} +{points}" for reason, points in shares)
        return Assessment(score=score, summary=_summary(facts), reasoning=f"{reasoning} = {score}")


def _shares(facts: EventFacts) -> list[tuple[str, int]]:
    """Give each reason with its points; those of nothing are left out, the type's and the confidence's never."""
    main = max(facts.objects, key=lambda seen: (_type_share(seen), _confidence_share(seen), seen.object_type))
    shares = [
        (main.object_type, _type_share(main)),
        (f"confidence {main.confidence:.2f}", _confidence_share(main)),
    ]
    if facts.most_at_once > 1:
        further = min((facts.most_at_once - 1) * FOR_EACH_FURTHER, MOST_FOR_FURTHER)
        shares.append((f"{facts.most_at_once} at once", further))
    entered = _by_weight(facts)
    if entered and (points := _zone_share(entered[0])):
        shares.append((f"zone {entered[0].name} ({ZoneType(entered[0].zone_type).label.lower()})", points))
    if facts.started_at.hour >= NIGHT_FROM or facts.started_at.hour < NIGHT_UNTIL:
        shares.append((f"night ({facts.started_at:%H:%M})", NIGHT_SHARE))
    if facts.earlier_events:
        times = "once" if facts.earlier_events == 1 else f"{facts.earlier_events} times"
        points = min(facts.earlier_events * FOR_EACH_EARLIER, MOST_FOR_EARLIER)
        shares.append((f"seen {times} in the 2 hours before", points))
    return shares


def _summary(facts: EventFacts) -> str:
    kinds = sorted(facts.objects, key=lambda seen: (-_type_share(seen), seen.object_type))
    words = [_counted(seen) for seen in kinds]
    who = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return ", ".join([f"{who} at {facts.camera_name}", *(zone.name for zone in _by_weight(facts)[:NAMED_ZONES])])


def _counted(seen: SeenObjects) -> str:
    if seen.at_once == 1:
        return f"1 {seen.object_type}"
    return f"{seen.at_once} {PLURALS.get(seen.object_type, f'{seen.object_type}s')}"


def _by_weight(facts: EventFacts) -> list[EnteredZone]:
    return sorted(facts.zones, key=lambda zone: (-_zone_share(zone), zone.name))


def _type_share(seen: SeenObjects) -> int:
    return TYPE_SHARE.get(seen.object_type, OTHER_TYPE_SHARE)


def _confidence_share(seen: SeenObjects) -> int:
    return round(seen.confidence * MOST_FOR_CONFIDENCE)


def _zone_share(zone: EnteredZone) -> int:
    return ZONE_SHARE[ZoneType(zone.zone_type)]
