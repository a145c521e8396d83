"""What a rule would have made of the past, each event judged at its own time; writes nothing.

Every event is judged as it grew: at the arrival of each detection, by what had arrived until then, until the rule
holds; by its present risk score, and by the modes, silences, snoozes and quiet hours of that time. A rule about cameras
falling silent or coming back is judged for each time that one did. Then the cooldown is gone through in the order of
those times. Only this rule is looked at: alerts of others that share its key play no part.
"""

from bisect import bisect_right
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from alerts.choices import Decision, RuleTrigger
from alerts.models import AlertRule, Mode, ModeChange
from alerts.results import PreviewMatch, PreviewMiss, PreviewResult
from alerts.rules import EventFacts, RuleFacts, Verdict, judge
from alerts.services.facts import CAMERA_TRIGGERS, facts_of_change, facts_of_detections
from alerts.services.judging import key_of
from alerts.services.ready_rules import ReadyRule, make_ready
from alerts.services.suppression import load_suppressions
from alerts.silencing import Subject
from cameras.models import CameraStatusChange, Zone
from events.models import Detection, Event
from siteadmin.core.exceptions import ValidationError

MOST_EVENTS = 1000
"""Events, or changes of cameras, of one preview; of more the newest are looked at."""


@dataclass(slots=True, frozen=True)
class _Judged:
    """When an event, or a camera's change, made the rule hold, or when it did last not."""

    facts: EventFacts
    at: datetime
    verdict: Verdict
    event_id: int | None = None
    change_id: int | None = None

    @property
    def id(self) -> int:
        return self.event_id or self.change_id or 0


@dataclass(slots=True, frozen=True)
class _Modes:
    """Which mode was active when."""

    changes: Sequence[tuple[datetime, str]]

    def at(self, instant: datetime) -> str:
        index = bisect_right([at for at, _ in self.changes], instant)
        return self.changes[index - 1][1] if index else ""


def preview_rule(
    rule: AlertRule,
    *,
    channel_ids: Sequence[int],
    days: int | None = None,
    event_ids: Sequence[int] | None = None,
    camera_ids: frozenset[str] | None = None,
) -> PreviewResult:
    """Say for which of these events, or what happened in the last days, the rule would have fired, and why not else.

    `rule` need not be saved. `camera_ids`: only what happened at these cameras. ValidationError where the rule's
    schedule cannot be used, an event does not exist, or events are given for a rule about cameras falling silent.
    """
    ready = make_ready(rule)
    if ready.conditions is None:
        raise _refused("schedule", f"{ready.fault[:1].upper()}{ready.fault[1:]}")
    since = None if days is None else Mode.objects.clock_and_active()[0] - timedelta(days=days)
    if ready.trigger == RuleTrigger.EVENT:
        judged, is_cut = _judge_events(ready.conditions, event_ids, since=since, camera_ids=camera_ids)
    elif since is None:
        raise _refused("event_ids", "A rule about a camera falling silent or coming back is asked about days.")
    else:
        judged, is_cut = _judge_changes(ready, since=since, camera_ids=camera_ids)
    held = sorted((one for one in judged if one.verdict.holds), key=lambda one: (one.at, one.id))
    misses = (
        PreviewMiss(
            one.event_id,
            one.change_id,
            one.facts.camera_id,
            one.at,
            one.verdict.matched_conditions,
            one.verdict.reasons_not,
        )
        for one in judged
        if not one.verdict.holds
    )
    return PreviewResult(tuple(_settle(ready, held, channel_ids=channel_ids)), tuple(misses), is_cut=is_cut)


def _judge_events(
    conditions: RuleFacts,
    event_ids: Sequence[int] | None,
    *,
    since: datetime | None,
    camera_ids: frozenset[str] | None,
) -> tuple[list[_Judged], bool]:
    events = Event.objects.for_preview(event_ids, since=since, camera_ids=camera_ids, limit=MOST_EVENTS + 1)
    _refuse_unknown(event_ids or (), known={event.pk for event in events})
    facts = _facts_of_events(events[:MOST_EVENTS], with_zones=bool(conditions.zone_ids))
    modes = _modes(
        [one.arrived_at for event in facts.values() for one in event.detections]
        or [one.ended_at for one in facts.values()]
    )
    judged = []
    for event_id, event in facts.items():
        at, verdict = _judge_as_it_grew(conditions, event, modes)
        judged.append(_Judged(event, at, verdict, event_id=event_id))
    return judged, len(events) > MOST_EVENTS


def _judge_changes(
    rule: ReadyRule, *, since: datetime, camera_ids: frozenset[str] | None
) -> tuple[list[_Judged], bool]:
    assert rule.conditions is not None
    [status] = [status for status, trigger in CAMERA_TRIGGERS.items() if trigger == rule.trigger]
    changes = CameraStatusChange.objects.for_preview(status, since=since, camera_ids=camera_ids, limit=MOST_EVENTS + 1)
    modes = _modes([change.at for change in changes])
    judged = []
    for change in changes[:MOST_EVENTS]:
        facts = facts_of_change(change, mode=modes.at(change.at))
        judged.append(_Judged(facts, change.at, judge(rule.conditions, facts), change_id=change.pk))
    return judged, len(changes) > MOST_EVENTS


def _modes(instants: Sequence[datetime]) -> _Modes:
    return _Modes(ModeChange.objects.history(since=min(instants), until=max(instants)) if instants else ())


def _settle(rule: ReadyRule, held: Sequence[_Judged], *, channel_ids: Sequence[int]) -> list[PreviewMatch]:
    """Go through what held in its order, and say what would have become of each."""
    keys = [key_of(rule, one.facts, one.verdict) for one in held]
    suppressions = (
        load_suppressions(since=held[0].at, until=held[-1].at, dedup_keys=set(keys), channel_ids=channel_ids)
        if held
        else None
    )
    fired: dict[str, _Judged] = {}
    matches = []
    for one, key in zip(held, keys, strict=True):
        camera_id = one.facts.camera_id
        subject = Subject(
            camera_id, rule.id, rule.severity, key, detections=one.verdict.detections, channel_ids=channel_ids
        )
        assert suppressions is not None
        reason, first = suppressions.reason(subject, at=one.at), fired.get(key)
        outcome, duplicate_of = Decision.FIRED, None
        if reason:
            outcome = Decision.SUPPRESSED
        elif rule.cooldown and first is not None and first.at >= one.at - rule.cooldown:
            outcome, duplicate_of = Decision.DUPLICATE, first.id
            what = (
                f"event {first.id}"
                if first.event_id
                else f"{first.facts.camera_id} at {first.at:%Y-%m-%d %H:%M:%S} UTC"
            )
            reason = f"Within the cooldown of the alert for {what}"
        else:
            fired[key] = one
        matches.append(
            PreviewMatch(
                one.event_id,
                one.change_id,
                camera_id,
                one.at,
                outcome.value,
                reason,
                key,
                one.verdict.matched_conditions,
                duplicate_of,
            )
        )
    return matches


def _refuse_unknown(event_ids: Sequence[int], *, known: Set[int]) -> None:
    errors = [
        {"field": f"event_ids.{index}", "code": "does_not_exist", "detail": f"There is no event '{event_id}'."}
        for index, event_id in enumerate(event_ids)
        if event_id not in known
    ]
    if errors:
        raise ValidationError(errors=errors)


def _refused(field: str, text: str) -> ValidationError:
    return ValidationError(text.rstrip("."), errors=[{"field": field, "code": "not_for_preview", "detail": text}])


def _facts_of_events(events: Sequence[Event], *, with_zones: bool) -> dict[int, EventFacts]:
    rows: dict[int, list[tuple[int, str, float, Sequence[int], datetime, datetime]]] = {
        event.pk: [] for event in events
    }
    for event_id, *row in Detection.objects.facts_of(list(rows)):
        rows[event_id].append(tuple(row))
    zones = Zone.objects.names_of_cameras({event.camera_id for event in events}) if with_zones else {}
    return {
        event.pk: EventFacts(
            event.camera_id,
            event.risk_score,
            event.ended_at,
            facts_of_detections(rows[event.pk]),
            zones.get(event.camera_id, {}),
        )
        for event in events
    }


def _judge_as_it_grew(rule: RuleFacts, event: EventFacts, modes: _Modes) -> tuple[datetime, Verdict]:
    """Give when the rule held first, and by what; where it never did, the last arrival and why not then."""
    arrived = sorted(event.detections, key=lambda one: (one.arrived_at, one.id))
    if not arrived:
        return event.ended_at, judge(rule, replace(event, mode=modes.at(event.ended_at)))
    moments = sorted({one.arrived_at for one in arrived})
    ends = [bisect_right(arrived, moment, key=lambda one: one.arrived_at) for moment in moments]
    newest = list(accumulate((one.detected_at for one in arrived), max))

    def judge_at(index: int, *, mode: str | None = None) -> Verdict:
        known = arrived[: ends[index]]
        active = modes.at(moments[index]) if mode is None else mode
        return judge(rule, replace(event, detections=tuple(known), ended_at=newest[ends[index] - 1], mode=active))

    last = len(moments) - 1
    any_mode = min(rule.modes, default="")
    start = 0
    if rule.asks_for_detection:
        # What holds by some detection goes on holding as more come, modes aside: no need to go through all.
        if not judge_at(last, mode=any_mode).holds:
            return moments[last], judge_at(last)
        low, high = 0, last
        while low < high:
            middle = (low + high) // 2
            if judge_at(middle, mode=any_mode).holds:
                high = middle
            else:
                low = middle + 1
        start = low
    for index in range(start, last + 1):
        if rule.modes and modes.at(moments[index]) not in rule.modes:
            continue
        by_newest = None if rule.asks_for_detection else rule.schedule
        if by_newest is not None and not by_newest.holds_at(newest[ends[index] - 1]):
            continue
        verdict = judge_at(index)
        if verdict.holds:
            return moments[index], verdict
        break  # what is left to hold, score and camera, does not change
    return moments[last], judge_at(last)
