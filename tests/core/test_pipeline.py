"""The door to the broker: one message after the commit, and a broker that is down harms nobody."""

import socket
import time

import pytest
from celery import Celery, current_app
from django.db import transaction

from siteadmin.core import pipeline
from siteadmin.core.pipeline import BrokerUnavailableError, Step, dispatch, queued, send
from tests.fakes.http_server import closed_port


@pytest.fixture
def queue():
    """The DETECT queue, empty before and after."""
    with current_app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_purge(Step.DETECT.queue)
        yield Step.DETECT
        channel.queue_purge(Step.DETECT.queue)


@pytest.fixture
def broker_at(monkeypatch):
    """Give the door an app with the product's settings and another broker."""

    def point(url: str) -> None:
        app = Celery(set_as_current=False)
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.conf.broker_url = url
        monkeypatch.setattr(pipeline, "current_app", app)

    return point


def test_send_puts_one_message_into_the_steps_queue(queue):
    assert send(Step.DETECT, 7)
    assert send(Step.DETECT, 8)

    assert queued(Step.DETECT) == 2


def test_only_the_id_crosses_the_broker(queue):
    send(Step.DETECT, 7)

    with current_app.connection_for_read() as connection:
        message = connection.default_channel.basic_get(Step.DETECT.queue, no_ack=True)
    assert message.headers["task"] == "events.detect"
    assert message.decode()[0] == [7]
    assert message.headers["ignore_result"] is True


def test_enough_messages_for_workers_that_choose_themselves_are_enough(queue, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_QUEUED", 3)

    assert all(send(Step.DETECT, number) for number in range(10))

    assert queued(Step.DETECT) == 3


def test_an_empty_queue_counts_nothing(queue):
    assert queued(Step.DETECT) == 0


def test_the_count_is_right_after_workers_were_asked_too(queue):
    send(Step.DETECT, 7)

    for _ in range(2):
        current_app.control.inspect(timeout=0.1).active_queues()
        assert queued(Step.DETECT) == 1


@pytest.mark.django_db(transaction=True)
def test_dispatch_waits_for_the_commit(queue):
    with transaction.atomic():
        dispatch(Step.DETECT, 7)
        assert queued(Step.DETECT) == 0

    assert queued(Step.DETECT) == 1


@pytest.mark.django_db(transaction=True)
def test_a_rollback_sends_nothing(queue):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        dispatch(Step.DETECT, 7)
        raise ZeroDivisionError

    assert queued(Step.DETECT) == 0


def test_a_broker_that_is_down_is_said_at_once_and_never_raised(broker_at):
    with closed_port() as port:
        broker_at(f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()

        assert send(Step.DETECT, 7) is False
        with pytest.raises(BrokerUnavailableError):
            queued(Step.DETECT)

        assert time.monotonic() - began < 2


def test_a_broker_that_hangs_costs_a_publish_about_two_seconds(broker_at):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        broker_at(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()

        assert send(Step.DETECT, 7) is False

        assert time.monotonic() - began < 4


@pytest.mark.django_db
def test_a_broker_that_is_down_does_not_undo_the_transaction(broker_at, django_capture_on_commit_callbacks):
    with closed_port() as port:
        broker_at(f"redis://127.0.0.1:{port}/0")
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            dispatch(Step.DETECT, 7)

    assert len(callbacks) == 1


def test_each_step_has_a_queue_of_its_own():
    assert len({step.queue for step in pipeline.Step}) == len(pipeline.Step)
