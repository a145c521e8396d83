"""Modes: one active, switched by people and by the clock; rules limited to them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.models import AlertRule, Mode, ModeChange
from alerts.schedules import SwitchTimes
from alerts.services.evaluation import evaluate_event
from alerts.services.modes import activate_mode, make_first_modes, switch_modes, update_mode
from siteadmin.core.exceptions import ModeNotFoundError
from tests.alerts.connections import run_apart
from tests.alerts.judging import decision, waiting_event, why_not_yet
from tests.factories import AlertRuleFactory

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
EVERY_DAY = frozenset(range(7))
ALL_TIMES = {"timezone": "UTC", "times": [{"days": [], "at": f"{hour:02d}:00"} for hour in range(24)]}


def active() -> str:
    return Mode.objects.get(is_active=True).name


def judged_until(name: str, at: datetime) -> None:
    Mode.objects.filter(name=name).update(judged_until=at)


@pytest.fixture
def modes() -> None:
    make_first_modes()


def test_a_fresh_site_has_home_away_and_night_and_is_at_home() -> None:
    make_first_modes()
    make_first_modes()

    assert sorted(Mode.objects.names()) == ["away", "home", "night"]
    assert active() == "home"
    assert ModeChange.objects.count() == 1


def test_switching_records_who_and_when_and_twice_changes_nothing(modes: None) -> None:
    activate_mode("away", by="ada")
    activate_mode("away", by="bob")

    assert active() == "away"
    assert list(ModeChange.objects.values_list("mode_name", "by"))[:1] == [("away", "ada")]
    assert ModeChange.objects.count() == 2


def test_an_unknown_mode_is_not_found(modes: None) -> None:
    with pytest.raises(ModeNotFoundError):
        activate_mode("beach", by="ada")


def test_a_rule_limited_to_a_mode_fires_in_it_alone(modes: None) -> None:
    rule = AlertRuleFactory(modes=["away"])
    before, after = waiting_event(), waiting_event()

    evaluate_event(before.pk)
    activate_mode("away", by="ada")
    evaluate_event(after.pk)

    assert decision(after, rule).outcome == "fired"
    assert why_not_yet(before, rule) == "The mode is home, not away"


def test_rules_and_history_follow_a_new_name(modes: None) -> None:
    rule = AlertRuleFactory(modes=["night", "away"])
    activate_mode("night", by="ada")

    update_mode(Mode.objects.get(name="night").pk, fields={"name": "asleep"})

    assert AlertRule.objects.get(pk=rule.pk).modes == ["asleep", "away"]
    assert list(ModeChange.objects.values_list("mode_name", flat=True)) == ["asleep", "home"]


def test_a_mode_switches_by_itself_once_at_its_time(modes: None) -> None:
    update_mode(Mode.objects.get(name="night").pk, fields={"switch_times": ALL_TIMES})
    assert switch_modes().activated == ""  # times before it was set do not count
    judged_until("night", datetime.now(UTC) - timedelta(hours=2))
    ModeChange.objects.all().update(at=datetime(1970, 1, 1, tzinfo=UTC))

    assert switch_modes().activated == "night"
    activate_mode("home", by="ada")
    assert switch_modes().activated == ""
    assert active() == "home"


def test_what_somebody_switched_after_the_time_stays(modes: None) -> None:
    update_mode(Mode.objects.get(name="night").pk, fields={"switch_times": ALL_TIMES})
    judged_until("night", datetime.now(UTC) - timedelta(hours=2))
    activate_mode("away", by="ada")

    assert switch_modes().activated == ""
    assert active() == "away"


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        # 02:30 does not exist on 2026-03-29: it comes when it would have been by the old time.
        ("2026-03-28T12:00", "2026-03-29T12:00", "2026-03-29T01:30"),
        # 02:30 comes twice on 2026-10-25: the first one counts.
        ("2026-10-24T12:00", "2026-10-25T00:30", "2026-10-25T00:30"),
        ("2026-10-25T00:30", "2026-10-25T12:00", None),
    ],
)
def test_changed_clocks_neither_lose_nor_double_a_time(since: str, until: str, found: str | None) -> None:
    times = SwitchTimes(((EVERY_DAY, 150),), BERLIN)

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert times.newest_within(at(since), at(until)) == (None if found is None else at(found))


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    minute=st.integers(0, 1439),
    start=st.integers(0, 366 * 24 * 60).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes)),
    steps=st.lists(st.integers(1, 60 * 24), min_size=1, max_size=30),
)
def test_however_often_it_is_asked_each_time_comes_once(
    days: set[int], minute: int, start: datetime, steps: list[int]
) -> None:
    times = SwitchTimes(((frozenset(days), minute),), BERLIN)
    now = start
    found, begin = [], now
    for step in steps:
        before, now = now, now + timedelta(minutes=step)
        at = times.newest_within(before, now)
        if at is not None:
            found.append(at)

    wanted, day = [], begin.date() - timedelta(days=1)
    while day <= now.date() + timedelta(days=1):
        local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=BERLIN)
        if day.weekday() in days and begin < local.astimezone(UTC) <= now:
            wanted.append(local.astimezone(UTC))
        day += timedelta(days=1)
    assert found == wanted


@pytest.mark.django_db(transaction=True)
def test_of_many_who_switch_at_once_one_mode_stays_active() -> None:
    make_first_modes()
    names = ["home", "away", "night"]

    run_apart(lambda number: activate_mode(names[number % 3], by="x").pk, workers=9)

    assert Mode.objects.filter(is_active=True).count() == 1
    assert ModeChange.objects.order_by("-at").first().mode_name == active()  # type: ignore[union-attr]
