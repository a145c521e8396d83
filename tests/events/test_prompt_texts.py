"""Prompt texts: which placeholders they may hold, and how they are filled in."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.analyzers.base import Assessment, EnteredZone, EventFacts, SeenObjects
from events.analyzers.prompts import (
    DEFAULT_PROMPT,
    FENCE_END,
    FENCE_START,
    PLACEHOLDERS,
    PromptError,
    check_prompt,
    render_prompt,
)
from events.choices import LONGEST_PROMPT

BUILTIN = Assessment(score=41, summary="1 person", reasoning="person +40")


def facts(name: str = "Yard", *, zone: str = "Porch", kind: str = "person") -> EventFacts:
    return EventFacts(
        camera_name=name,
        started_at=datetime(2026, 3, 14, 23, 10, tzinfo=UTC),
        objects=(SeenObjects(object_type=kind, confidence=0.9),),
        most_at_once=1,
        zones=(EnteredZone(name=zone, zone_type="yard"),),
    )


def test_the_first_prompt_can_be_used() -> None:
    text = render_prompt(DEFAULT_PROMPT, facts=facts(), builtin=BUILTIN, pictures=2)

    assert "on a Saturday at 23:10" in text
    assert "41 of 100" in text
    assert "Pictures sent along: 2" in text


def test_every_placeholder_is_filled_in() -> None:
    text = render_prompt(" ".join(f"{{{name}}}" for name in PLACEHOLDERS), facts=facts(), builtin=BUILTIN, pictures=0)

    assert not any(f"{{{name}}}" in text for name in PLACEHOLDERS)


def test_doubled_braces_are_braces() -> None:
    assert render_prompt('{event} {{"score": 1}}', facts=facts(), builtin=BUILTIN, pictures=0).endswith('{"score": 1}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no placeholder",
        "{event} {camera}",
        "{event} {}",
        "{event!r}",
        "{event:>10}",
        "{event.__class__}",
        "{event[0]}",
        "{event",
        "event}",
        "{event} {0}",
        "{event}\x00",
        "{event}" + "x" * LONGEST_PROMPT,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PromptError):
        check_prompt(text)


def test_endless_attributes_are_left_out() -> None:
    many = replace(facts(), attributes=({"face": {"name": "Eve"}}, {"caption": {"text": "x" * 9000}}))
    text = render_prompt("{event}", facts=many, builtin=BUILTIN, pictures=0)

    assert json.loads(text[len(FENCE_START) : -len(FENCE_END)])["attributes"] == [{"face": {"name": "Eve"}}]


@given(name=st.text(), zone=st.text(), kind=st.text())
def test_no_name_gets_out_of_the_fence(name: str, zone: str, kind: str) -> None:
    text = render_prompt("{event}", facts=facts(name, zone=zone, kind=kind), builtin=BUILTIN, pictures=0)

    assert text.startswith(FENCE_START) and text.endswith(FENCE_END)
    inside = text[len(FENCE_START) : -len(FENCE_END)]
    assert "<" not in inside and ">" not in inside
    assert json.loads(inside)["camera"] == name[:200]


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        check_prompt(text)
    except PromptError:
        return
    assert "{event}" in text
