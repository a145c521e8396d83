"""From a folder's name to a camera's id."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.folders import slugify_folder


@pytest.mark.parametrize(
    ("folder", "slug"),
    [
        ("Front Door", "front_door"),
        ("front-door", "front_door"),
        ("  Front - Door  ", "front_door"),
        ("FI9800P_00123E45E060", "fi9800p_00123e45e060"),
        ("Garage #2 (north)", "garage_2_north"),
        ("Café", "caf"),
    ],
)
def test_folder_gives_a_slug(folder: str, slug: str) -> None:
    assert slugify_folder(folder) == slug


def test_name_of_which_nothing_is_left_gets_a_digest_of_its_own() -> None:
    first, second = slugify_folder("相机"), slugify_folder("門口")
    assert first != second
    assert re.fullmatch(r"camera_[0-9a-f]{10}", first)


def test_long_names_stay_apart() -> None:
    assert slugify_folder("a" * 80) != slugify_folder("a" * 81)


@given(st.text(max_size=255))
def test_any_folder_gives_a_valid_id(folder: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]{1,64}", slugify_folder(folder))
