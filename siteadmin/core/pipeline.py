"""The one door to the broker: which steps there are, and how a step is asked for."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from siteadmin.core.exceptions import CacheError

logger = structlog.get_logger(__name__)

BROKER_ERRORS = (OperationalError, RedisError, OSError)
"""What Celery, kombu and the Redis client raise where the broker is down, hangs or refuses the command."""
MAX_QUEUED = 200
"""Messages that are enough to keep every worker of a step busy; what waits beyond them says so in its row."""


class BrokerUnavailableError(CacheError):
    """The broker does not answer."""

    default_message = "The message broker is temporarily unavailable"


class Step(StrEnum):
    """Every step of the pipeline, in order; the value is the Celery task's name."""

    ADMIT = "cameras.admit"
    DETECT = "events.detect"
    ENRICH = "events.enrich"
    ANALYZE = "events.analyze"
    EVALUATE = "alerts.evaluate"
    EVALUATE_CAMERA = "alerts.evaluate_camera"
    DELIVER = "alerts.deliver"
    ESCALATE = "alerts.escalate"
    EXPORT = "events.export"

    @property
    def queue(self) -> str:
        """The queue of this step; each has its own, so that a slow step holds up no other."""
        return self.value.partition(".")[2]

    @property
    def is_pulled(self) -> bool:
        """Whether its workers take whatever rows wait, so that a message only says that there is work."""
        return self in (Step.DETECT, Step.EVALUATE)


def dispatch(step: Step, subject_id: int) -> None:
    """Ask for a step once the current transaction has committed; only the id crosses the broker.

    The message is a hint that may be lost without harm: the row says that it waits, and the sweeper
    asks again. So a broker that is down is logged, never raised.
    """
    transaction.on_commit(lambda: send(step, subject_id), robust=True)


def dispatch_all(step: Step, subject_ids: Sequence[int]) -> None:
    """Ask for a step of each of these, as `dispatch` does."""
    if subject_ids:
        transaction.on_commit(lambda: send_all(step, subject_ids), robust=True)


def send(step: Step, subject_id: int) -> bool:
    """Hand one message to the broker now; False where the broker does not take it."""
    return send_all(step, [subject_id])


def send_all(step: Step, subject_ids: Sequence[int]) -> bool:
    """Hand a message for each to the broker now; False where the broker does not take them.

    Where one message serves as well as another and there are enough of them, none is added: the rows are written by
    now, so that any of them finds these, and the broker does not grow with what waits.
    """
    try:
        room = max(MAX_QUEUED - queued(step), 0) if step.is_pulled else len(subject_ids)
        for subject_id in subject_ids[:room]:
            # Nobody waits for the result of a hint; asking for one would subscribe to it, and so wait for Redis.
            current_app.send_task(step.value, args=(subject_id,), queue=step.queue, retry=False, ignore_result=True)
    except (BrokerUnavailableError, *BROKER_ERRORS) as error:
        logger.warning("broker_unreachable", step=step.value, subjects=list(subject_ids), error=str(error))
        return False
    return True


def has_enough(step: Step) -> bool:
    """Tell whether so many messages wait for a step that its workers are busy; BrokerUnavailableError as `queued`."""
    return queued(step) >= MAX_QUEUED


def queued(step: Step) -> int:
    """Count the messages that wait in the broker for a step; BrokerUnavailableError where it does not answer."""
    try:
        with current_app.producer_pool.acquire(block=True) as producer:
            channel: Any = producer.channel
            # Not the channel's own client: where workers were asked for, an answer of theirs may wait on it.
            with channel.conn_or_acquire() as client:
                return int(client.llen(step.queue))
    except BROKER_ERRORS as error:
        raise BrokerUnavailableError(str(error)) from error
