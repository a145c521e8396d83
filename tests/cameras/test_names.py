"""What vendors' file names say."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.choices import Trigger
from cameras.ingest.names import read_name

AT = datetime(2026, 3, 14, 21, 58, 3)
FIRST, LAST = datetime(1970, 1, 1), datetime(2099, 12, 31)


@pytest.mark.parametrize(
    ("name", "trigger"),
    [
        ("snap/MDAlarm_20260314-215803.jpg", Trigger.ALARM),
        ("MDalarm_20260314_215803.jpg", Trigger.ALARM),
        ("snap/HMDAlarm_20260314-215803.jpg", Trigger.ALARM),
        ("snap/Schedule_20260314-215803.jpg", Trigger.TIMER),
    ],
)
def test_foscam_names_state_time_and_trigger(name: str, trigger: Trigger) -> None:
    facts = read_name(name)
    assert (facts.stated, facts.trigger) == (AT, trigger)


@pytest.mark.parametrize(
    "name",
    [
        "FrontDoor_00_20260314215803.jpg",
        "2026/03/14/FrontDoor_00_20260314215803.jpg",
        "00626E123456(alias)_1_20260314215803_12.jpg",
        "prefix_20260314215803_3_trg.jpg",
        "cam-20260314_215803.jpg",
        "cam 2026-03-14 21.58.03.png",
        "2026-03-14T21:58:03.jpg",
        "2026-03-14/21-58-03.jpg",
        "20260314/215803.jpg",
        "2026-03-14/001/jpg/21/58/03[M][0@0][0].jpg",
        "2026-03-14/001/jpg/21/58.03[M][0@0][0].jpg",
        "2026/03/14/21/58M03S.jpg",
    ],
)
def test_general_fall_backs_find_the_time(name: str) -> None:
    assert read_name(name).stated == AT


@pytest.mark.parametrize(
    "name",
    [
        "192.168.1.64_01_20260314215803250_MOTION_DETECTION.jpg",
        "MOTION/2026-03-14/21/MOTION_2026-03-14-21-58-03-250_1.jpg",
    ],
)
def test_milliseconds_are_kept(name: str) -> None:
    assert read_name(name).stated == AT.replace(microsecond=250_000)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "image.jpg",
        "x_20261314215803.jpg",
        "20260231_120000.jpg",
        "123456789012345678.jpg",
        "2026-03-14/cat.jpg",
    ],
)
def test_what_states_no_time_gives_none(name: str) -> None:
    assert read_name(name).stated is None


@pytest.mark.parametrize(
    "name", ["a/1.2.3.4_01_20260314215803250_TIMING.jpg", "2026-03-14/001/jpg/21/58/03[R][0@0][0].jpg"]
)
def test_only_an_explicit_mark_makes_a_timer_picture(name: str) -> None:
    assert read_name(name).trigger == Trigger.TIMER


@pytest.mark.parametrize("name", ["schedules_20260314-215803.jpg", "ESTIMATINGS.jpg", "r.jpg", "timer/1.jpg"])
def test_words_that_only_look_like_a_timer_are_none(name: str) -> None:
    assert read_name(name).trigger == Trigger.UNKNOWN


def test_clock_after_a_power_cut_is_stated_as_it_is() -> None:
    assert read_name("MDAlarm_20000101-000012.jpg").stated == datetime(2000, 1, 1, 0, 0, 12)


PARTS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[A-Za-z_]{0,9}[0-9]{0,20}[-_.][0-9]{0,17}(\.jpg)?", fullmatch=True),
    st.from_regex(r"\d{4}-\d\d-\d\d", fullmatch=True),
    st.from_regex(r"\d\d", fullmatch=True),
)


@given(st.lists(PARTS, max_size=6).map("/".join))
def test_no_path_raises(path: str) -> None:
    facts = read_name(path)
    assert facts.stated is None or facts.stated.tzinfo is None


@given(st.datetimes(FIRST, LAST), st.text("abcXYZ_- ", max_size=10))
def test_every_time_written_in_14_digits_is_read_back(moment: datetime, prefix: str) -> None:
    assert read_name(f"{prefix}{moment:%Y%m%d%H%M%S}.jpg").stated == moment.replace(microsecond=0)
