"""Templates of dedup keys."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.choices import DEFAULT_DEDUP_TEMPLATE, LONGEST_DEDUP_KEY
from alerts.dedup_keys import PLACEHOLDERS, TemplateError, check_template, render_key

# Few signs, but those that matter, so that a collision would be found.
texts = st.text("ab1_-.~:%/{}é", max_size=6)
parts_of_key = st.fixed_dictionaries(dict.fromkeys(PLACEHOLDERS, texts))
separators = st.text("ab1_-.~:%/é", max_size=3)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Give any template that is allowed."""
    names = draw(st.lists(st.sampled_from(PLACEHOLDERS), min_size=1, max_size=4, unique=True))
    template = draw(separators)
    for name in names:
        template += f"{{{name}}}" + draw(separators)
    try:
        check_template(template)
    except TemplateError:
        assume(condition=False)
    return template


@given(templates(), parts_of_key, parts_of_key)
def test_different_parts_never_give_the_same_key(template: str, one: dict[str, str], other: dict[str, str]) -> None:
    used = [name for name in PLACEHOLDERS if f"{{{name}}}" in template]
    same_parts = all(one[name] == other[name] for name in used)

    assert (render_key(template, one) == render_key(template, other)) == same_parts


@given(parts_of_key)
def test_any_key_fits_its_column(parts: dict[str, str]) -> None:
    template = ":".join(["{object_type}"] * 13)
    long = {name: part * 40 for name, part in parts.items()}

    assert len(render_key(template, long)) <= LONGEST_DEDUP_KEY


def test_long_keys_that_differ_at_their_end_stay_apart() -> None:
    keys = {render_key("{object_type}:{zone}", {"object_type": "x" * 600, "zone": zone}) for zone in ("1", "2")}

    assert len(keys) == 2


def test_the_default_is_camera_and_rule() -> None:
    parts = {"camera_id": "front_door", "rule_id": "7", "object_type": "person", "zone": "3"}

    assert render_key(DEFAULT_DEDUP_TEMPLATE, parts) == "front_door:7"


def test_signs_of_a_part_that_could_be_taken_for_the_templates_are_encoded() -> None:
    parts = {"camera_id": "front_door", "rule_id": "7", "object_type": "a:b/c d", "zone": ""}

    assert render_key("{camera_id}:{object_type}", parts) == "front_door:a%3Ab%2Fc%20d"
    assert render_key("{camera_id}_{object_type}", parts) == "front%5Fdoor_a%3Ab%2Fc%20d"


def test_doubled_braces_are_text() -> None:
    parts = dict.fromkeys(PLACEHOLDERS, "x")

    assert render_key("{{all}}{zone}", parts) == "{all}x"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{}",
        "{0}",
        "{name}",
        "{camera_id.__class__}",
        "{camera_id[0]}",
        "{camera_id!r}",
        "{camera_id:>10}",
        "{camera_id:{zone}}",
        "{camera_id",
        "camera_id}",
        "{ camera_id }",
        "{camera_id}{rule_id}",
        "{camera_id}and{rule_id}",
        "{camera_id}%{rule_id}",
    ],
)
def test_what_could_reach_further_or_collide_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        check_template(template)


@pytest.mark.parametrize("template", ["site", "{camera_id}", "{camera_id}-{object_type}", "all {zone} / {rule_id}"])
def test_what_is_safe_is_allowed(template: str) -> None:
    check_template(template)
