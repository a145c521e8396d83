"""Secrets at rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siteadmin.core.sealing import UnsealError, seal, unseal


@given(st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_opens(text: str) -> None:
    assert unseal(seal(text)) == text


def test_sealed_text_shows_nothing_and_never_repeats() -> None:
    assert "geheim" not in seal("geheim")
    assert seal("geheim") != seal("geheim")


def test_another_key_opens_nothing(settings: Any) -> None:
    sealed = seal("x")
    settings.SECRET_KEY = "another"

    with pytest.raises(UnsealError):
        unseal(sealed)


def test_old_key_opens_while_it_is_a_fallback(settings: Any) -> None:
    sealed, old = seal("x"), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]

    assert unseal(sealed) == "x"


@pytest.mark.parametrize("damage", ["", "x", "gAAAAA", "ä"])
def test_damaged_text_is_refused(damage: str) -> None:
    with pytest.raises(UnsealError):
        unseal(damage)
