"""The one door to the broker: which steps there are, and how a step is asked for."""

from enum import StrEnum

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


class Step(StrEnum):
    """Every step of the pipeline, in order; the value is the Celery task's name."""

    DETECT = "events.detect"
    EVALUATE = "alerts.evaluate"
    DELIVER = "alerts.deliver"

    @property
    def queue(self) -> str:
        """The queue of this step; each has its own, so that a slow step holds up no other."""
        return self.value.partition(".")[2]


def dispatch(step: Step, subject_id: int) -> None:
    """Ask for a step once the current transaction has committed; only the id crosses the broker.

    The message is a hint that may be lost without harm: the row says that it waits, and the sweeper
    asks again. So a broker that is down is logged, never raised.
    """
    transaction.on_commit(lambda: send(step, subject_id), robust=True)


def send(step: Step, subject_id: int) -> bool:
    """Hand one message to the broker now; False where the broker does not take it."""
    try:
        current_app.send_task(step.value, args=(subject_id,), queue=step.queue, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("broker_unreachable", step=step.value, subject=subject_id, error=str(error))
        return False
    return True


def queued(step: Step) -> int:
    """Count the messages that wait in the broker for a step; raises OperationalError where it is down."""
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=settings.BROKER_TIMEOUT_SECONDS)
        channel = connection.default_channel
        return int(channel._size(step.queue))
