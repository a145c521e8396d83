"""The built-in score: bounded, deterministic, and more where there is more."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.choices import ZoneType
from events.analyzers.base import EnteredZone, EventFacts, SeenObjects
from events.analyzers.builtin import TYPE_SHARE, BuiltinAnalyzer

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
assess = BuiltinAnalyzer().assess

words = st.text(alphabet="abcdefghij", min_size=1, max_size=8)
objects = st.builds(
    SeenObjects,
    object_type=st.one_of(st.sampled_from(sorted(TYPE_SHARE)), words),
    confidence=st.floats(min_value=0, max_value=1),
    at_once=st.integers(min_value=1, max_value=50),
)
zones = st.builds(EnteredZone, name=words, zone_type=st.sampled_from(ZoneType.values))
facts = st.builds(
    EventFacts,
    camera_name=st.just("Front Door"),
    started_at=st.datetimes(timezones=st.just(UTC)),
    objects=st.lists(objects, min_size=1, max_size=4, unique_by=lambda seen: seen.object_type).map(tuple),
    most_at_once=st.integers(min_value=1, max_value=50),
    zones=st.lists(zones, max_size=4).map(tuple),
    earlier_events=st.integers(min_value=0, max_value=500),
)


def person(confidence: float = 0.93, *, at_once: int = 1) -> SeenObjects:
    return SeenObjects(object_type="person", confidence=confidence, at_once=at_once)


def one_person() -> EventFacts:
    return EventFacts(camera_name="Front Door", started_at=NOON, objects=(person(),), most_at_once=1)


@given(facts)
def test_a_score_is_from_0_to_100_and_always_the_same(known: EventFacts) -> None:
    assert 0 <= assess(known).score <= 100
    assert assess(known) == assess(known)


@given(facts)
def test_the_reasoning_names_shares_that_make_the_score(known: EventFacts) -> None:
    assessment = assess(known)

    shares, _, score = assessment.reasoning.rpartition(" = ")
    points = [int(share.rpartition(" +")[2]) for share in shares.split(", ") if " +" in share]
    assert int(score) == assessment.score
    assert sum(points) >= assessment.score


@given(facts, st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1))
def test_more_confidence_never_lowers_the_score(known: EventFacts, one: float, other: float) -> None:
    low, high = sorted((one, other))
    first, *rest = known.objects

    lower = assess(replace(known, objects=(replace(first, confidence=low), *rest)))
    higher = assess(replace(known, objects=(replace(first, confidence=high), *rest)))

    assert lower.score <= higher.score


@given(facts, st.integers(min_value=1, max_value=50))
def test_more_at_once_never_lowers_the_score(known: EventFacts, more: int) -> None:
    assert assess(known).score <= assess(replace(known, most_at_once=known.most_at_once + more)).score


@given(facts, zones)
def test_a_further_zone_never_lowers_the_score(known: EventFacts, zone: EnteredZone) -> None:
    assert assess(known).score <= assess(replace(known, zones=(*known.zones, zone))).score


def test_one_person_by_day() -> None:
    assessment = assess(one_person())

    assert assessment.score == 49
    assert assessment.summary == "1 person at Front Door"
    assert assessment.reasoning == "person +40, confidence 0.93 +9 = 49"


def test_every_share_is_named() -> None:
    known = replace(
        one_person(),
        started_at=NOON.replace(hour=23, minute=10),
        objects=(person(at_once=2), SeenObjects(object_type="dog", confidence=0.7)),
        most_at_once=3,
        zones=(EnteredZone(name="driveway", zone_type="driveway"), EnteredZone(name="porch", zone_type="entry_point")),
        earlier_events=3,
    )

    assessment = assess(known)

    assert assessment.summary == "2 people and 1 dog at Front Door, porch, driveway"
    assert assessment.reasoning == (
        "person +40, confidence 0.93 +9, 3 at once +10, zone porch (entry point) +20, night (23:10) +15, "
        "seen 3 times in the 2 hours before +5 = 99"
    )


@pytest.mark.parametrize(("hour", "is_night"), [(21, False), (22, True), (0, True), (5, True), (6, False)])
def test_night_is_from_22_to_6(hour: int, is_night: bool) -> None:  # noqa: FBT001 - pytest's form
    assert ("night" in assess(replace(one_person(), started_at=NOON.replace(hour=hour))).reasoning) is is_night
