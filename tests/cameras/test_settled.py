"""Which files are known to stay where they are."""

import tracemalloc

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cameras.ingest.settled import SettledFiles

marks = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)


class SettledFilesMachine(RuleBasedStateMachine):
    """The same as two sets: what is held, and what has been met since the walk began."""

    def __init__(self) -> None:
        super().__init__()
        self.settled = SettledFiles(most=10_000)
        self.held: set[int] = set()
        self.met: set[int] = set()

    @rule(mark=marks)
    def add(self, mark: int) -> None:
        assert self.settled.add(mark)
        self.held.add(mark)
        self.met.add(mark)

    @rule(many=st.lists(marks, max_size=50))
    def add_many(self, many: list[int]) -> None:
        for mark in many:
            self.add(mark)
        self.settled._merge(only_met=False)

    @rule(mark=marks)
    def meet(self, mark: int) -> None:
        assert self.settled.meet(mark) == (mark in self.held)
        self.met |= {mark} & self.held

    @rule()
    def walk_that_meets_what_is_left(self) -> None:
        gone = set(sorted(self.held)[::2])
        self.settled.end_walk()
        self.held &= self.met
        self.settled.begin_walk()
        for mark in self.held - gone:
            assert self.settled.meet(mark)
        self.settled.end_walk()
        self.held -= gone
        self.met = set(self.held)

    @invariant()
    def holds_as_many(self) -> None:
        assert len(self.settled) == len(self.held)


TestSettledFiles = SettledFilesMachine.TestCase


def test_without_room_none_is_added() -> None:
    settled = SettledFiles(most=2)

    assert [settled.add(mark) for mark in (1, 2, 3, 1)] == [True, True, False, True]
    assert [settled.meet(mark) for mark in (1, 2, 3)] == [True, True, False]


def test_a_hundred_thousand_files_cost_a_few_megabytes() -> None:
    tracemalloc.start()
    try:
        settled = SettledFiles(most=1_000_000)
        for number in range(100_000):
            settled.add(hash((number, "gate")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert all(settled.meet(hash((number, "gate"))) for number in range(100_000))
    assert peak < 5_000_000
