"""The sweeper: what was lost is asked for again, within bounds, by one sweeper only."""

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.db.models.functions import Now

from cameras.models import Snapshot
from siteadmin.core import sweeper
from siteadmin.core.pipeline import BrokerUnavailableError, Step, queued, send
from siteadmin.core.results import SweepResult
from siteadmin.core.sweeper import sweep_all, sweep_step
from siteadmin.core.tasks import sweep
from tests.core.test_pipeline import broker_at, queue  # noqa: F401 - fixtures
from tests.core.threads import run_together
from tests.factories import SnapshotFactory
from tests.fakes.http_server import closed_port

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queue", "waiting")]


@pytest.fixture
def waiting(monkeypatch):
    """Snapshots alone wait, for DETECT."""
    monkeypatch.setattr(sweeper, "WAITING", {Step.DETECT: Snapshot.objects})


def overdue(count: int) -> None:
    for _ in range(count):
        snapshot = SnapshotFactory()
        Snapshot.objects.filter(pk=snapshot.pk).update(due_at=Now() - timedelta(minutes=1))


def test_overdue_rows_are_asked_for_again():
    overdue(3)

    assert sweep_all() == SweepResult(dispatched={"events.detect": 3})
    assert queued(Step.DETECT) == 3


def test_the_second_sweep_of_the_same_period_asks_for_nothing():
    overdue(3)
    sweep_all()

    assert sweep_all() == SweepResult(dispatched={"events.detect": 0})
    assert queued(Step.DETECT) == 3


def test_the_queue_is_never_filled_beyond_its_bound(monkeypatch):
    monkeypatch.setattr(sweeper, "MAX_QUEUED", 5)
    send(Step.DETECT, 1)
    send(Step.DETECT, 2)
    overdue(9)

    assert sweep_step(Step.DETECT) == 3
    assert sweep_step(Step.DETECT) == 0
    assert queued(Step.DETECT) == 5


def test_a_broker_that_is_down_is_a_result(broker_at):  # noqa: F811 - the fixture
    overdue(1)
    with closed_port() as port:
        broker_at(f"redis://127.0.0.1:{port}/0")
        result = sweep_all()

    assert result.dispatched == {}
    assert result.error


def test_rows_that_no_message_could_be_sent_for_are_asked_for_at_once_when_it_is_back(monkeypatch):
    overdue(3)
    with monkeypatch.context() as broken:
        broken.setattr(sweeper, "send", lambda step, row_id: False)
        with pytest.raises(BrokerUnavailableError):
            sweep_step(Step.DETECT)

    assert sweep_step(Step.DETECT) == 3


def test_the_task_gives_the_result():
    assert sweep() == SweepResult(dispatched={"events.detect": 0})


def test_beat_runs_it_every_two_seconds():
    entry = settings.CELERY_BEAT_SCHEDULE["sweep"]

    assert (entry["task"], entry["schedule"]) == (sweep.name, 2.0)
    assert sweep.name in current_app.tasks


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_at_once_ask_for_each_row_once():
    overdue(40)

    asked = run_together(lambda _: sweep_step(Step.DETECT), workers=2)

    assert sum(asked) == 40
    assert queued(Step.DETECT) == 40
