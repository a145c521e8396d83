"""What the settings of rates take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siteadmin.core.rates import Rate, parse_rate, parse_rates
from siteadmin.core.roles import Role


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        ("20/10s", Rate(20, 10)),
        ("1/second", Rate(1, 1)),
        ("5/2h", Rate(5, 7200)),
        ("1000/day", Rate(1000, 86_400)),
        ("off", None),
    ],
)
def test_a_rate_is_a_quota_and_a_window(text: str, rate: Rate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "600", "0/minute", "600/", "600/fortnight", "-1/s", "1.5/s", "6 /s", "OFF", "1\N{ARABIC-INDIC DIGIT ONE}/s"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(text)


def test_a_role_may_have_a_rate_of_its_own() -> None:
    rates = parse_rates("600/minute viewer=300/minute admin=off")

    assert rates.of(Role.VIEWER) == Rate(300, 60)
    assert rates.of(Role.ADMIN) is None
    assert rates.of(Role.OPERATOR) == rates.of(None) == Rate(600, 60)


@pytest.mark.parametrize("text", ["600/minute guest=1/s", "600/minute viewer", "viewer=1/s", "600/minute viewer=0/s"])
def test_an_unknown_role_or_a_role_without_a_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the setting's own error says what is taken
        parse_rates(text)


@given(st.integers(1, 10**9 - 1), st.integers(1, 99_999), st.sampled_from("smhd"))
def test_what_is_written_is_read(quota: int, number: int, unit: str) -> None:
    rate = parse_rate(f"{quota}/{number}{unit}")

    assert rate == Rate(quota, number * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit])
