"""What a rule would have made of past events, each judged at its own time; writes nothing.

Every event is judged as it grew: at the arrival of each detection, by what had arrived until then, until the rule
holds; by its present risk score, and by the modes, silences and snoozes of that time. Then the cooldown is gone
through in the order of those times. Only this rule is looked at: alerts of others that share its key play no part.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from alerts.choices import Decision, Severity
from alerts.dedup_keys import render_key
from alerts.models import AlertRule, Mode, ModeChange
from alerts.results import PreviewMatch, PreviewMiss, PreviewResult
from alerts.rules import DetectionFacts, EventFacts, RuleFacts, Verdict, judge
from alerts.services.facts import facts_of_rule, key_parts
from alerts.services.suppression import load_suppressions
from alerts.silencing import Subject
from events.models import Detection, Event

MOST_EVENTS = 1000
"""Events of one preview; of more the newest are looked at."""
NEW_RULE = "new"
"""Stands for the id of a rule that is not saved."""


@dataclass(slots=True, frozen=True)
class _Candidate:
    event_id: int
    camera_id: str
    at: datetime
    verdict: Verdict
    key: str


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
    """Say for which of these events, or those of the last days, the rule would have fired, and why not for others.

    `rule` need not be saved. `camera_ids`: only events of these cameras. Raises ScheduleError where the rule's
    schedule cannot be used.
    """
    conditions = facts_of_rule(rule)
    now, _ = Mode.objects.clock_and_active()
    since = None if days is None else now - timedelta(days=days)
    events = Event.objects.for_preview(event_ids, since=since, camera_ids=camera_ids, limit=MOST_EVENTS + 1)
    is_cut = len(events) > MOST_EVENTS
    events = events[:MOST_EVENTS]
    facts = _facts_of_events(events)
    arrivals = [one.arrived_at for event in facts.values() for one in event.detections]
    begin, end = min(arrivals, default=now), max(arrivals, default=now)
    modes = _Modes(ModeChange.objects.history(since=begin, until=end))
    candidates, misses = [], []
    for event in events:
        at, verdict = _judge_as_it_grew(conditions, facts[event.pk], modes)
        if verdict.holds:
            parts = key_parts(NEW_RULE if rule.pk is None else str(rule.pk), conditions, facts[event.pk], verdict)
            key = render_key(rule.dedup_key_template, parts)
            candidates.append(_Candidate(event.pk, event.camera_id, at, verdict, key))
        else:
            misses.append(PreviewMiss(event.pk, event.camera_id, at, verdict.matched_conditions, verdict.reasons_not))
    candidates.sort(key=lambda one: (one.at, one.event_id))
    suppressions = load_suppressions(
        since=begin, until=end, dedup_keys={one.key for one in candidates}, channel_ids=channel_ids
    )
    matches, fired = [], dict[str, tuple[datetime, int]]()
    severity, cooldown = Severity(rule.severity), timedelta(seconds=rule.cooldown_seconds)
    for one in candidates:
        subject = Subject(
            one.camera_id, rule.pk, severity, one.key, detections=one.verdict.detections, channel_ids=channel_ids
        )
        reason, first = suppressions.reason(subject, at=one.at), fired.get(one.key)
        outcome, duplicate_of = Decision.FIRED, None
        if reason:
            outcome = Decision.SUPPRESSED
        elif cooldown and first is not None and first[0] >= one.at - cooldown:
            outcome, duplicate_of = Decision.DUPLICATE, first[1]
            reason = f"Within the cooldown of the alert for event {duplicate_of}"
        else:
            fired[one.key] = (one.at, one.event_id)
        matches.append(
            PreviewMatch(
                one.event_id,
                one.camera_id,
                one.at,
                outcome.value,
                reason,
                one.key,
                one.verdict.matched_conditions,
                duplicate_of,
            )
        )
    return PreviewResult(tuple(matches), tuple(misses), is_cut=is_cut)


def _facts_of_events(events: Sequence[Event]) -> dict[int, EventFacts]:
    detections: dict[int, list[DetectionFacts]] = {event.pk: [] for event in events}
    for event_id, key, object_type, confidence, zones, detected_at, arrived_at in Detection.objects.facts_of(
        list(detections)
    ):
        detections[event_id].append(DetectionFacts(key, object_type, confidence, tuple(zones), detected_at, arrived_at))
    return {
        event.pk: EventFacts(event.camera_id, event.risk_score, event.ended_at, tuple(detections[event.pk]))
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
