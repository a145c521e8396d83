"""How urgent a picture is, and who of those that wait is taken next."""

import itertools
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from cameras.choices import SnapshotState, TimerPictures, Trigger, Urgency
from cameras.ingest.urgency import judge_urgency
from cameras.models import Camera, Snapshot
from cameras.services import accept_picture
from cameras.snapshot_repositories import CLAIM_BY_LOT, CLAIM_MOST_URGENT
from tests.cameras.pictures import make_picture
from tests.core.threads import run_together
from tests.factories import NOON, CameraFactory, SnapshotFactory

LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("trigger", "age", "late_after", "urgency"),
    [
        (Trigger.ALARM, SECOND, TEN_MINUTES, Urgency.LIVE),
        (Trigger.UNKNOWN, SECOND, TEN_MINUTES, Urgency.LIVE),
        (Trigger.MANUAL, SECOND, TEN_MINUTES, Urgency.LIVE),
        (Trigger.TIMER, SECOND, TEN_MINUTES, Urgency.TIMER),
        (Trigger.ALARM, TEN_MINUTES, TEN_MINUTES, Urgency.LIVE),
        (Trigger.ALARM, TEN_MINUTES + SECOND, TEN_MINUTES, Urgency.LATE),
        (Trigger.TIMER, TEN_MINUTES + SECOND, TEN_MINUTES, Urgency.LATE),
        (Trigger.ALARM, timedelta(days=9), timedelta(0), Urgency.LIVE),
        (Trigger.ALARM, -SECOND, TEN_MINUTES, Urgency.LIVE),
    ],
)
def test_urgency_follows_trigger_and_lateness(
    trigger: str, age: timedelta, late_after: timedelta, urgency: Urgency
) -> None:
    assert judge_urgency(trigger, captured_at=NOON - age, arrived_at=NOON, late_after=late_after) is urgency


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "minutes_ago", "urgency"),
    [("a.jpg", 0, Urgency.LIVE), ("Schedule_a.jpg", 0, Urgency.TIMER), ("a.jpg", 60, Urgency.LATE)],
)
def test_intake_writes_it(name: str, minutes_ago: int, urgency: Urgency) -> None:
    camera = CameraFactory(timer_pictures=TimerPictures.DETECT)
    taken = timezone.now() - timedelta(minutes=minutes_ago)

    result = accept_picture(make_picture(), camera=camera, name=name, captured_at=taken)

    assert Snapshot.objects.get(pk=result.snapshot_id).urgency == urgency


def wait(camera: Camera, urgency: Urgency = Urgency.LIVE, *, age: int, waits: int = 1, **fields: Any) -> int:
    """Make a snapshot wait that was taken so many seconds ago, for so many seconds; gives its id."""
    snapshot = SnapshotFactory(
        camera=camera, urgency=urgency, captured_at=NOON - age * SECOND, state=SnapshotState.RECEIVED, **fields
    )
    Snapshot.objects.filter(pk=snapshot.pk).update(due_at=Now() - waits * SECOND)
    return int(snapshot.pk)


def take(*, by_lot: bool = False) -> int | None:
    claimed = Snapshot.objects.claim_next(lease=LEASE, by_lot=by_lot)
    return claimed and claimed[0]


@pytest.mark.django_db
class TestOrder:
    def test_newest_alarm_then_newest_timer_picture_then_newest_late_one(self) -> None:
        camera, other = CameraFactory(), CameraFactory()
        late_older, late = wait(camera, Urgency.LATE, age=90), wait(other, Urgency.LATE, age=80)
        timer = wait(other, Urgency.TIMER, age=1)
        older, newest, new = wait(camera, age=30), wait(camera, age=10), wait(other, age=20)

        assert [take() for _ in range(7)] == [newest, new, older, timer, late, late_older, None]

    def test_what_is_not_due_is_left(self) -> None:
        wait(CameraFactory(), age=1, waits=-60)

        assert (take(), take(by_lot=True)) == (None, None)

    def test_taking_counts_the_attempt_and_sets_state_lease_and_token(self) -> None:
        key = wait(CameraFactory(), age=1, swept_at=timezone.now())

        claimed = Snapshot.objects.claim_next(lease=LEASE, by_lot=False)

        row = Snapshot.objects.get(pk=key)
        assert claimed == (key, row.claim_token)
        assert (row.attempts, row.state, row.swept_at) == (1, SnapshotState.DETECTING, None)
        assert row.due_at is not None
        assert LEASE - 5 * SECOND < row.due_at - timezone.now() <= LEASE

    def test_what_a_dead_worker_held_comes_back_after_its_lease(self) -> None:
        key = wait(CameraFactory(), age=1)
        first = Snapshot.objects.claim_next(lease=-SECOND, by_lot=False)

        second = Snapshot.objects.claim_next(lease=LEASE, by_lot=False)

        assert second is not None
        assert second[0] == key
        assert second != first


@pytest.mark.django_db
class TestByLot:
    def test_it_takes_what_has_waited_longest(self) -> None:
        camera = CameraFactory()
        patient = wait(camera, Urgency.LATE, age=90, waits=60)
        wait(camera, age=1, waits=2)

        assert take(by_lot=True) == patient

    def test_a_camera_that_floods_leaves_others_their_share(self) -> None:
        flooding, quiet = CameraFactory(), CameraFactory()
        for age in range(60):
            wait(flooding, age=age, waits=100)
        single = wait(quiet, age=99)

        # Drawn among the waiting pictures it would come once in 61 times; 40 draws between two cameras all but find it.
        assert single in [take(by_lot=True) for _ in range(40)]

    def test_under_a_flood_of_newer_alarms_the_oldest_still_gets_its_turn(self) -> None:
        camera = CameraFactory()
        backlog = {wait(camera, Urgency.LATE, age=1000 + number, waits=1000 - number) for number in range(10)}

        taken = set()
        for number in range(40):
            wait(camera, age=-number)
            taken.add(take(by_lot=number % 4 == 0))

        assert backlog <= taken


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_take_each_picture_once_and_miss_none() -> None:
    cameras = [CameraFactory() for _ in range(5)]
    waiting = {wait(camera, age=age) for camera in cameras for age in range(16)}

    def work(number: int) -> list[int]:
        draws = itertools.cycle([False, False, True])
        return list(iter(lambda: take(by_lot=next(draws)), None))

    taken = [key for part in run_together(work, workers=8) for key in part]

    assert sorted(taken) == sorted(waiting)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", [CLAIM_MOST_URGENT, CLAIM_BY_LOT], ids=["most urgent", "by lot"])
def test_an_index_gives_the_next_one_however_many_wait(statement: str) -> None:
    fields = {"state": SnapshotState.RECEIVED, "due_at": NOON, "urgency": Urgency.LATE}
    for camera in CameraFactory.create_batch(4):
        Snapshot.objects.bulk_create(SnapshotFactory.build_batch(500, camera=camera, **fields))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cameras_snapshot")
        cursor.execute(f"EXPLAIN {statement}", {"token": uuid.uuid4(), "lease": LEASE})
        plan = [line for (line,) in cursor.fetchall()]

    assert not any("Seq Scan on cameras_snapshot" in line for line in plan)
    assert sum("Sort Key" in line for line in plan) == statement.count("random()")
