"""Does this rule hold for what is known of an event, and why not? Pure: no database, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alerts.schedules import Schedule


@dataclass(slots=True, frozen=True)
class RuleFacts:
    """A rule's conditions; an empty one is not set."""

    risk_threshold: int | None = None
    camera_ids: frozenset[str] = frozenset()
    object_types: frozenset[str] = frozenset()
    min_confidence: float | None = None
    zone_ids: frozenset[int] = frozenset()
    schedule: Schedule | None = None
    modes: frozenset[str] = frozenset()

    @property
    def asks_for_detection(self) -> bool:
        """Whether one single detection must meet some condition."""
        return bool(self.object_types or self.min_confidence is not None or self.zone_ids)


@dataclass(slots=True, frozen=True)
class DetectionFacts:
    """One object that was seen."""

    id: int
    object_type: str
    confidence: float
    zones: tuple[int, ...]
    detected_at: datetime
    arrived_at: datetime


@dataclass(slots=True, frozen=True)
class EventFacts:
    """What is known of an event now."""

    camera_id: str
    risk_score: int | None
    ended_at: datetime
    detections: tuple[DetectionFacts, ...] = ()
    zones: Mapping[int, str] = field(default_factory=dict)
    """The names of the camera's zones, by id."""
    mode: str = ""
    """The active mode, "" where none is."""
    happened: str = ""
    """What made rules be asked, in words, where it is not that something was seen."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """Whether the rule holds: by which conditions, or because of which it does not, in plain words each.

    `detections` are those by which it holds, `matched_detection` the one that its dedup key tells of.
    """

    holds: bool
    matched_conditions: tuple[str, ...] = ()
    reasons_not: tuple[str, ...] = ()
    detections: tuple[DetectionFacts, ...] = ()
    matched_detection: DetectionFacts | None = None


def judge(rule: RuleFacts, event: EventFacts) -> Verdict:
    """Judge all conditions of the rule together.

    Type, confidence and zones must be met by one and the same detection, and the schedule at the time of one
    that meets them; without such conditions it is the newest detection's time that counts.
    """
    met: list[str] = [event.happened] if event.happened else []
    unmet: list[str] = []
    if rule.risk_threshold is not None:
        _judge_risk(rule.risk_threshold, event.risk_score, met=met, unmet=unmet)
    if rule.camera_ids:
        if event.camera_id in rule.camera_ids:
            met.append(f"camera {event.camera_id}")
        else:
            unmet.append(f"camera {event.camera_id} is not one of {_join(sorted(rule.camera_ids))}")
    if rule.modes:
        if event.mode in rule.modes:
            met.append(f"mode {event.mode}")
        else:
            unmet.append(f"the mode is {event.mode or 'not set'}, not {_join(sorted(rule.modes))}")
    detections: Sequence[DetectionFacts] = event.detections
    if rule.asks_for_detection:
        detections = _judge_detections(rule, event, unmet=unmet)
    if rule.schedule is not None and (detections or not rule.asks_for_detection):
        detections = _judge_schedule(rule, rule.schedule, event, detections, met=met, unmet=unmet)
    if unmet:
        return Verdict(holds=False, matched_conditions=tuple(met), reasons_not=tuple(unmet))
    best = min(detections, key=lambda detection: (-detection.confidence, detection.id), default=None)
    if rule.asks_for_detection and best is not None:
        met.append(_describe(best, rule=rule, event=event))
    return Verdict(
        holds=True,
        matched_conditions=tuple(met) or ("always: the rule has no conditions",),
        detections=tuple(detections),
        matched_detection=best,
    )


def _judge_risk(threshold: int, score: int | None, *, met: list[str], unmet: list[str]) -> None:
    if score is None:
        unmet.append(f"the event has no risk score, {threshold} is needed")
    elif score < threshold:
        unmet.append(f"risk score {score} is below {threshold}")
    else:
        met.append(f"risk score {score} is at least {threshold}")


def _judge_detections(rule: RuleFacts, event: EventFacts, *, unmet: list[str]) -> Sequence[DetectionFacts]:
    wanted = _join(sorted(rule.object_types)) or "object"
    found = [one for one in event.detections if not rule.object_types or one.object_type in rule.object_types]
    if not found:
        seen = _join(sorted({one.object_type for one in event.detections})) or "nothing"
        unmet.append(f"no {wanted} was seen, but {seen}")
        return ()
    if rule.min_confidence is not None:
        highest = max(one.confidence for one in found)
        found = [one for one in found if one.confidence >= rule.min_confidence]
        if not found:
            unmet.append(f"no {wanted} has a confidence of {rule.min_confidence:g} or more, the highest is {highest:g}")
            return ()
    if rule.zone_ids:
        sure = "" if rule.min_confidence is None else f" with a confidence of {rule.min_confidence:g} or more"
        found = [one for one in found if not rule.zone_ids.isdisjoint(one.zones)]
        if not found:
            unmet.append(f"no {wanted}{sure} is in {_zones(rule.zone_ids, event=event)}")
    return found


def _judge_schedule(
    rule: RuleFacts,
    schedule: Schedule,
    event: EventFacts,
    detections: Sequence[DetectionFacts],
    *,
    met: list[str],
    unmet: list[str],
) -> Sequence[DetectionFacts]:
    newest = max((one.detected_at for one in detections), default=event.ended_at)
    within = detections
    if rule.asks_for_detection:
        within = [one for one in detections if schedule.holds_at(one.detected_at)]
    holds = bool(within) if rule.asks_for_detection else schedule.holds_at(newest)
    local = newest.astimezone(schedule.timezone)
    if holds:
        met.append(f"within {schedule}")
    else:
        unmet.append(f"{local:%A %H:%M} is outside {schedule}")
    return within


def _describe(detection: DetectionFacts, *, rule: RuleFacts, event: EventFacts) -> str:
    inside = [zone for zone in detection.zones if zone in rule.zone_ids]
    where = f" in {_zones(inside, event=event)}" if inside else ""
    return f"{detection.object_type} with confidence {detection.confidence:.2f}{where}"


def _zones(ids: Iterable[int], *, event: EventFacts) -> str:
    """Name zones; of several the camera's own, where there are some. A zone that is gone has its id alone."""
    names = [event.zones[one] for one in sorted(ids) if one in event.zones]
    return f"zone {_join(names or [str(one) for one in sorted(ids)])}"


def _join(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
