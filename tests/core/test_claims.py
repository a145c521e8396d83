"""Claiming rows that wait for a step: one winner, a lease, a token, a sweep without doubles."""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from cameras.choices import SnapshotState
from cameras.models import Snapshot
from siteadmin.core.claims import RESWEEP_AFTER, SWEEP_GRACE
from tests.core.threads import run_together
from tests.factories import SnapshotFactory

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def waiting(*, since: timedelta = timedelta(0), **fields) -> Snapshot:
    """Make a snapshot that has been due for this long."""
    snapshot = SnapshotFactory(state=SnapshotState.RECEIVED)
    Snapshot.objects.filter(pk=snapshot.pk).update(due_at=Now() - since, **fields)
    return snapshot


def stored(snapshot: Snapshot) -> Snapshot:
    return Snapshot.objects.get(pk=snapshot.pk)


class TestClaim:
    def test_gives_a_token_counts_the_attempt_and_sets_fields(self):
        snapshot = waiting()

        token = Snapshot.objects.claim(snapshot.pk, lease=MINUTE, state=SnapshotState.DETECTING)

        row = stored(snapshot)
        assert (row.claim_token, row.attempts, row.state) == (token, 1, SnapshotState.DETECTING)

    def test_a_claimed_row_cannot_be_claimed_again(self):
        snapshot = waiting()
        Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert Snapshot.objects.claim(snapshot.pk, lease=MINUTE) is None

    def test_a_row_whose_lease_ran_out_can(self):
        snapshot = waiting()
        first = Snapshot.objects.claim(snapshot.pk, lease=-SECOND)

        second = Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert second not in (None, first)
        assert stored(snapshot).attempts == 2

    def test_a_row_that_is_not_due_done_or_gone_cannot(self):
        assert Snapshot.objects.claim(waiting(since=-MINUTE).pk, lease=MINUTE) is None
        assert Snapshot.objects.claim(SnapshotFactory(due_at=None).pk, lease=MINUTE) is None
        assert Snapshot.objects.claim(404, lease=MINUTE) is None


class TestFinish:
    def test_records_and_leaves_nothing_to_do(self):
        snapshot = waiting()
        token = Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert Snapshot.objects.finish(snapshot.pk, token=token, state=SnapshotState.DETECTED)

        row = stored(snapshot)
        assert (row.due_at, row.claim_token, row.state) == (None, None, SnapshotState.DETECTED)

    def test_a_worker_that_lost_its_lease_records_nothing(self):
        snapshot = waiting()
        lost = Snapshot.objects.claim(snapshot.pk, lease=-SECOND)
        Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert not Snapshot.objects.finish(snapshot.pk, token=lost, state=SnapshotState.FAILED)
        assert stored(snapshot).state == SnapshotState.RECEIVED

    def test_finishing_twice_counts_once(self):
        snapshot = waiting()
        token = Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert [Snapshot.objects.finish(snapshot.pk, token=token) for _ in range(2)] == [True, False]

    def test_a_strange_token_finishes_nothing(self):
        snapshot = waiting()
        Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert not Snapshot.objects.finish(snapshot.pk, token=uuid.uuid4())


class TestPostpone:
    def test_the_row_waits_that_long(self):
        snapshot = waiting()
        token = Snapshot.objects.claim(snapshot.pk, lease=MINUTE)

        assert Snapshot.objects.postpone(snapshot.pk, token=token, wait=MINUTE)
        assert Snapshot.objects.claim(snapshot.pk, lease=MINUTE) is None
        assert list(Snapshot.objects.sweep(limit=10)) == []

    def test_it_is_swept_as_soon_as_it_is_due_for_no_message_is_under_way(self):
        snapshot = waiting()
        token = Snapshot.objects.claim(snapshot.pk, lease=MINUTE)
        Snapshot.objects.postpone(snapshot.pk, token=token, wait=-timedelta(milliseconds=1))

        assert list(Snapshot.objects.sweep(limit=10)) == [snapshot.pk]


class TestSweep:
    def test_a_row_whose_message_may_yet_come_is_left_alone(self):
        waiting(since=SWEEP_GRACE / 2)

        assert list(Snapshot.objects.sweep(limit=10)) == []

    def test_overdue_rows_come_oldest_first_up_to_the_limit(self):
        young, old = waiting(since=SWEEP_GRACE * 2), waiting(since=SWEEP_GRACE * 3)
        waiting(since=SWEEP_GRACE * 1.5)

        assert list(Snapshot.objects.sweep(limit=2)) == [old.pk, young.pk]

    def test_a_row_is_not_asked_for_again_in_the_same_period(self):
        waiting(since=SWEEP_GRACE * 2)
        Snapshot.objects.sweep(limit=10)

        assert list(Snapshot.objects.sweep(limit=10)) == []

    def test_it_is_asked_for_again_in_the_next(self):
        snapshot = waiting(since=MINUTE, swept_at=Now() - RESWEEP_AFTER)

        assert list(Snapshot.objects.sweep(limit=10)) == [snapshot.pk]

    def test_a_row_given_back_is_asked_for_at_once(self):
        snapshot = waiting(since=MINUTE)
        Snapshot.objects.unsweep(Snapshot.objects.sweep(limit=10))

        assert list(Snapshot.objects.sweep(limit=10)) == [snapshot.pk]

    def test_a_row_whose_worker_died_comes_back_after_its_lease(self):
        snapshot = waiting(since=MINUTE)
        Snapshot.objects.sweep(limit=10)
        Snapshot.objects.claim(snapshot.pk, lease=-SWEEP_GRACE * 2)

        assert list(Snapshot.objects.sweep(limit=10)) == [snapshot.pk]

    def test_rows_at_work_or_done_are_not_swept(self):
        Snapshot.objects.claim(waiting(since=MINUTE).pk, lease=MINUTE)
        SnapshotFactory(due_at=None)

        assert list(Snapshot.objects.sweep(limit=10)) == []

    def test_waiting_count_counts_what_waits_or_is_at_work(self):
        waiting()
        Snapshot.objects.claim(waiting().pk, lease=MINUTE)
        SnapshotFactory(due_at=None)

        assert Snapshot.objects.waiting_count() == 2


@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_claim_and_one_wins():
    snapshot = waiting()

    tokens = [token for token in run_together(lambda _: Snapshot.objects.claim(snapshot.pk, lease=MINUTE)) if token]

    assert len(tokens) == 1
    assert stored(snapshot).attempts == 1


@pytest.mark.django_db(transaction=True)
def test_sweepers_at_once_never_give_a_row_twice_and_miss_none():
    wanted = {waiting(since=MINUTE).pk for _ in range(40)}

    def sweep_all(_: int) -> list[int]:
        found: list[int] = []
        for _ in range(10):
            found += Snapshot.objects.sweep(limit=7)
        return found

    swept = [pk for part in run_together(sweep_all, workers=4) for pk in part]

    assert sorted(swept) == sorted(wanted)
