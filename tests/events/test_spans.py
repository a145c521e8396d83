"""Which times make one event, apart from any database."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from events.services.spans import Span, plan_groups

START = datetime(2026, 3, 14, 21, 58, tzinfo=UTC)
WINDOW, IDLE = timedelta(seconds=90), timedelta(seconds=30)

seconds = st.lists(st.integers(min_value=0, max_value=400), min_size=1, max_size=60)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def span(key: int, start: float, end: float) -> Span:
    return Span(at(start), at(end), key)


def group_one_by_one(
    times: list[datetime], *, window: timedelta = WINDOW, idle: timedelta = IDLE
) -> dict[int, list[datetime]]:
    """Let each time arrive on its own, as pictures do, and give the times of each event."""
    rows: dict[int, Span] = {}
    members: dict[int, list[datetime]] = {}
    for number, time in enumerate(times, start=1):
        plan = plan_groups(list(rows.values()), [time], window=window, idle=idle)
        for gone, kept in plan.merged.items():
            members[kept] += members.pop(gone)
            del rows[gone]
        key = plan.group_of[time] if plan.group_of[time] > 0 else number
        members.setdefault(key, []).append(time)
        rows[key] = Span(min(members[key]), max(members[key]), key)
    return members


@given(seconds)
def test_no_event_is_longer_than_the_window_or_has_a_gap_over_the_idle_timeout(arrivals: list[int]) -> None:
    groups = group_one_by_one([at(second) for second in arrivals])

    assert sorted(time for group in groups.values() for time in group) == sorted(map(at, arrivals))
    for group in groups.values():
        ordered = sorted(group)
        assert ordered[-1] - ordered[0] <= WINDOW
        assert all(later - sooner <= IDLE for sooner, later in zip(ordered, ordered[1:], strict=False))


@given(seconds)
def test_events_of_a_camera_do_not_overlap(arrivals: list[int]) -> None:
    groups = group_one_by_one([at(second) for second in arrivals])

    ordered = sorted((min(group), max(group)) for group in groups.values())
    assert all(before[1] < after[0] for before, after in zip(ordered, ordered[1:], strict=False))


@given(seconds)
def test_neighbours_that_fit_one_window_have_become_one(arrivals: list[int]) -> None:
    groups = group_one_by_one([at(second) for second in arrivals])

    ordered = sorted((min(group), max(group)) for group in groups.values())
    for before, after in zip(ordered, ordered[1:], strict=False):
        assert after[0] - before[1] > IDLE or after[1] - before[0] > WINDOW


@given(st.permutations(range(0, 120, 3)))
def test_any_order_gives_one_event_when_all_fits_one_window(arrivals: list[int]) -> None:
    groups = group_one_by_one([at(second) for second in arrivals], window=timedelta(seconds=300))

    assert len(groups) == 1


@given(seconds)
def test_all_at_once_is_the_same_as_one_by_one_in_order(arrivals: list[int]) -> None:
    one_by_one = group_one_by_one([at(second) for second in sorted(set(arrivals))])

    plan = plan_groups([], [at(second) for second in arrivals], window=WINDOW, idle=IDLE)

    together: dict[int, list[datetime]] = {}
    for time, key in plan.group_of.items():
        together.setdefault(key, []).append(time)
    assert sorted(map(sorted, together.values())) == sorted(sorted(group) for group in one_by_one.values())


def test_a_gap_of_exactly_the_idle_timeout_still_joins() -> None:
    assert plan_groups([span(1, 0, 10)], [at(40)], window=WINDOW, idle=IDLE).group_of == {at(40): 1}


def test_a_gap_over_the_idle_timeout_opens_an_event() -> None:
    plan = plan_groups([span(1, 0, 10)], [at(40.001)], window=WINDOW, idle=IDLE)

    assert list(plan.new.values()) == [span(-1, 40.001, 40.001)]


def test_a_time_beyond_the_window_opens_an_event() -> None:
    assert plan_groups([span(1, 0, 80)], [at(90.001)], window=WINDOW, idle=IDLE).group_of == {at(90.001): -1}


def test_of_two_events_the_nearest_is_joined() -> None:
    plan = plan_groups([span(1, 0, 50), span(2, 80, 120)], [at(70)], window=WINDOW, idle=IDLE)

    assert (plan.group_of, plan.merged) == ({at(70): 2}, {})


def test_of_two_events_as_near_the_earlier_is_joined() -> None:
    plan = plan_groups([span(2, 0, 50), span(1, 70, 120)], [at(60)], window=WINDOW, idle=IDLE)

    assert plan.group_of == {at(60): 2}


def test_a_bridge_merges_the_later_into_the_earlier() -> None:
    plan = plan_groups([span(7, 0, 10), span(3, 50, 60)], [at(32)], window=WINDOW, idle=IDLE)

    assert (plan.group_of, plan.merged) == ({at(32): 7}, {3: 7})


def test_a_bridge_over_more_than_the_window_merges_nothing() -> None:
    plan = plan_groups([span(1, 0, 40), span(2, 60, 100)], [at(50)], window=WINDOW, idle=IDLE)

    assert (plan.group_of, plan.merged) == ({at(50): 1}, {})


def test_a_new_event_goes_into_the_one_that_has_a_row() -> None:
    plan = plan_groups([span(1, 50, 60)], [at(0), at(25)], window=WINDOW, idle=IDLE)

    assert (plan.group_of, plan.new, plan.merged) == ({at(0): 1, at(25): 1}, {}, {})


def test_the_ends_of_time_do_no_harm() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    plan = plan_groups([], [first, last], window=WINDOW, idle=IDLE)

    assert len(plan.new) == 2
