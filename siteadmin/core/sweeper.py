"""The guarantee behind the broker: rows that have waited for too long are asked for again.

While a step has enough messages in the broker nothing is added: its workers have that much to do, a lost message
costs nothing, and rows that merely queue for long are not asked for over and over.

A message may be lost (Redis flushed, a worker killed with it, a publish that failed); the row still says that
it waits. Each step's repository is registered by its app as it starts.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from siteadmin.core.pipeline import MAX_QUEUED, BrokerUnavailableError, Step, queued, send
from siteadmin.core.results import SweepResult

logger = structlog.get_logger(__name__)


class Waiting(Protocol):
    """The rows that wait for one step (`claims.ClaimableRepository`)."""

    def sweep(self, *, limit: int) -> Sequence[int]:
        """Give the ids of rows that waited for too long, each to one sweeper only."""

    def unsweep(self, ids: Sequence[int]) -> None:
        """Give rows back for which no message could be sent."""

    def waiting_count(self, *, up_to: int | None = None) -> int:
        """Count the rows that wait for the step or are at it; counting stops at `up_to`."""

    def oldest_due(self) -> timedelta:
        """Tell how long the row that waits longest has been due."""


WAITING: dict[Step, Waiting] = {}


def register_waiting(step: Step, repository: Waiting) -> None:
    """Say which rows wait for this step; called by apps as they start."""
    WAITING[step] = repository


def sweep_step(step: Step) -> int:
    """Ask again for a step's overdue rows; gives how many. BrokerUnavailableError where nobody takes messages."""
    room = MAX_QUEUED - queued(step)
    if room <= 0:
        return 0
    ids = WAITING[step].sweep(limit=room)
    for index, row_id in enumerate(ids):
        if not send(step, row_id):
            WAITING[step].unsweep(ids[index:])
            raise BrokerUnavailableError("the broker takes no messages")
    if ids:
        logger.info("asked_again", step=step.value, rows=len(ids))
    return len(ids)


def sweep_all() -> SweepResult:
    """Ask again for the overdue rows of every step."""
    dispatched: dict[str, int] = {}
    for step in WAITING:
        try:
            dispatched[step.value] = sweep_step(step)
        except BrokerUnavailableError as error:
            return SweepResult(dispatched=dispatched, error=str(error))
    return SweepResult(dispatched=dispatched)
