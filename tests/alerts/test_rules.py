"""Whether a rule holds, by which detection, and why not."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import DetectionFacts, EventFacts, RuleFacts, judge
from alerts.schedules import Schedule, parse_schedule

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)  # a Saturday
NOON_SPAN = parse_schedule({"start": "12:00", "end": "12:30", "timezone": "UTC"})
MIDNIGHT_SPAN = parse_schedule({"start": "00:00", "end": "01:00", "timezone": "UTC"})
ids = count(1)


def seen(object_type: str = "person", confidence: float = 0.9, *, at: datetime = NOON, **facts: Any) -> DetectionFacts:
    known = {"id": next(ids), "zones": (), "detected_at": at, "arrived_at": at} | facts
    return DetectionFacts(object_type=object_type, confidence=confidence, **known)


def event(*detections: DetectionFacts, risk_score: int | None = 50, camera_id: str = "door") -> EventFacts:
    ended_at = max((one.detected_at for one in detections), default=NOON)
    return EventFacts(camera_id, risk_score, ended_at, detections)


zones = st.frozensets(st.integers(1, 3), max_size=2)
moments = st.integers(0, 40).map(lambda minutes: NOON + timedelta(minutes=minutes))
detections = st.builds(
    DetectionFacts,
    id=st.integers(1, 1000),
    object_type=st.sampled_from(["person", "cat", "car"]),
    confidence=st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    zones=zones.map(tuple),
    detected_at=moments,
    arrived_at=moments,
)
events = st.builds(
    lambda found, score, camera: event(*found, risk_score=score, camera_id=camera),
    st.lists(detections, max_size=5, unique_by=lambda one: one.id),
    st.none() | st.integers(0, 100),
    st.sampled_from(["door", "yard"]),
)
rules = st.builds(
    RuleFacts,
    risk_threshold=st.none() | st.integers(0, 100),
    camera_ids=st.frozensets(st.sampled_from(["door", "yard"]), max_size=1),
    object_types=st.frozensets(st.sampled_from(["person", "cat"]), max_size=2),
    min_confidence=st.none() | st.sampled_from([0.0, 0.3, 0.5]),
    zone_ids=zones,
    schedule=st.none() | st.just(NOON_SPAN),
)


def meets(rule: RuleFacts, one: DetectionFacts) -> bool:
    return (
        (not rule.object_types or one.object_type in rule.object_types)
        and (rule.min_confidence is None or one.confidence >= rule.min_confidence)
        and (not rule.zone_ids or bool(rule.zone_ids & set(one.zones)))
    )


def in_schedule(schedule: Schedule | None, at: datetime) -> bool:
    return schedule is None or schedule.holds_at(at)


@given(rules, events)
def test_a_rule_holds_when_all_conditions_do_and_one_detection_meets_its_part_of_them(
    rule: RuleFacts, facts: EventFacts
) -> None:
    score, threshold = facts.risk_score, rule.risk_threshold
    expected = (threshold is None or (score is not None and score >= threshold)) and (
        not rule.camera_ids or facts.camera_id in rule.camera_ids
    )
    if rule.object_types or rule.zone_ids or rule.min_confidence is not None:
        holding = [one for one in facts.detections if meets(rule, one) and in_schedule(rule.schedule, one.detected_at)]
        expected = expected and bool(holding)
    else:
        holding = list(facts.detections)
        expected = expected and in_schedule(rule.schedule, facts.ended_at)

    verdict = judge(rule, facts)

    assert verdict.holds == expected
    assert bool(verdict.reasons_not) != expected
    if expected:
        best = sorted(holding, key=lambda one: (-one.confidence, one.id))[:1]
        assert ([verdict.matched_detection] if verdict.matched_detection else []) == best


def test_a_rule_without_conditions_always_holds() -> None:
    assert judge(RuleFacts(), event(risk_score=None)).holds


def test_an_event_without_score_reaches_no_threshold() -> None:
    verdict = judge(RuleFacts(risk_threshold=0), event(seen(), risk_score=None))

    assert verdict.reasons_not == ("the event has no risk score, 0 is needed",)


def test_a_score_at_the_threshold_is_enough() -> None:
    assert judge(RuleFacts(risk_threshold=70), event(seen(), risk_score=70)).holds


def test_an_unsure_person_beside_a_sure_cat_is_no_sure_person() -> None:
    rule = RuleFacts(object_types=frozenset({"person"}), min_confidence=0.9)

    verdict = judge(rule, event(seen("person", 0.3), seen("cat", 0.95)))

    assert verdict.reasons_not == ("no person has a confidence of 0.9 or more, the highest is 0.3",)


def test_a_person_outside_beside_a_cat_inside_is_no_person_inside() -> None:
    rule = RuleFacts(object_types=frozenset({"person"}), zone_ids=frozenset({3}))

    verdict = judge(rule, event(seen("person", zones=(4,)), seen("cat", zones=(3,))))

    assert verdict.reasons_not == ("no person is in zone 3",), "a zone that is gone has no name"


def test_the_schedule_is_judged_at_the_detection_that_meets_the_rest() -> None:
    rule = RuleFacts(object_types=frozenset({"person"}), schedule=NOON_SPAN)
    later = NOON + timedelta(hours=1)

    assert judge(rule, event(seen("person", at=NOON), seen("cat", at=later))).holds
    assert not judge(rule, event(seen("cat", at=NOON), seen("person", at=later))).holds


def test_without_conditions_on_detections_the_newest_one_counts_for_the_schedule() -> None:
    rule = RuleFacts(schedule=NOON_SPAN)

    assert judge(rule, event(seen(at=NOON - timedelta(hours=1)), seen(at=NOON))).holds
    assert not judge(rule, event(seen(at=NOON), seen(at=NOON + timedelta(hours=1)))).holds


def test_the_surest_detection_and_of_equals_the_first_is_the_one_it_matched_by() -> None:
    found = [seen(confidence=0.5, id=1), seen(confidence=0.9, id=7), seen(confidence=0.9, id=5)]

    verdict = judge(RuleFacts(), event(*found))

    assert verdict.matched_detection is found[2]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (RuleFacts(risk_threshold=80), "risk score 50 is below 80"),
        (RuleFacts(camera_ids=frozenset({"yard", "gate"})), "camera door is not one of gate or yard"),
        (RuleFacts(object_types=frozenset({"dog"})), "no dog was seen, but person"),
        (RuleFacts(min_confidence=0.95), "no object has a confidence of 0.95 or more, the highest is 0.9"),
        (RuleFacts(schedule=MIDNIGHT_SPAN), "Saturday 12:00 is outside 00:00-01:00 UTC, every day"),
    ],
)
def test_each_reason_is_told_in_plain_words(rule: RuleFacts, reason: str) -> None:
    assert judge(rule, event(seen())).reasons_not == (reason,)


def test_what_holds_is_told_in_plain_words() -> None:
    rule = RuleFacts(
        risk_threshold=40,
        camera_ids=frozenset({"door"}),
        object_types=frozenset({"person"}),
        zone_ids=frozenset({3}),
        schedule=Schedule(frozenset({5}), 720, 750, ZoneInfo("UTC")),
    )

    assert judge(rule, event(seen(zones=(2, 3)))).matched_conditions == (
        "risk score 50 is at least 40",
        "camera door",
        "within 12:00-12:30 UTC, Sat",
        "person with confidence 0.90 in zone 3",
    )
