"""Trying again with growing pauses, and giving up into a dead letter that a person requeues or discards."""

import hashlib
import json
import random as random_module
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from siteadmin.core.audit import recording
from siteadmin.core.clean import clean_json, clean_text, describe_error
from siteadmin.core.exceptions import InvalidStateTransitionError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.results import RetryResult

logger = structlog.get_logger(__name__)

LONGEST_WAIT = timedelta(hours=1)
RETRY_BASE = timedelta(seconds=1)
LONGEST_WAIT_IN_PLACE = timedelta(seconds=30)
"""The longest pause of a handler that holds its worker while it waits."""


class Randomness(Protocol):
    """What `backoff` needs of `random.Random`."""

    def random(self) -> float:
        """Give a number from 0 up to, not including, 1."""


_random: Randomness = random_module.SystemRandom()


def backoff(attempt: int, *, base: timedelta, cap: timedelta = LONGEST_WAIT, random: Randomness = _random) -> timedelta:
    """Give the pause after this many failed attempts (1 and up): exponential with full jitter.

    A random time between 0 and `min(cap, base * 2 ** (attempt - 1))`, so that what failed together does not
    come back together (AWS, "Exponential Backoff And Jitter").
    """
    # Past 2**62 the cap has long been reached, and a timedelta would overflow.
    longest = min(cap.total_seconds(), base.total_seconds() * 2.0 ** min(max(attempt - 1, 0), 62))
    return timedelta(seconds=longest * random.random())


class RetryHandler:
    """Tries an operation several times in place, then gives up into a dead letter.

    `redis_client` is taken for the callers that pass one; dead letters are kept in PostgreSQL, which loses none.
    An exception of the operation is a failure of it. What ends the process (KeyboardInterrupt, SystemExit) or
    the task's time passes through.
    """

    def __init__(
        self,
        redis_client: object = None,
        *,
        max_attempts: int = 3,
        base: timedelta = RETRY_BASE,
        retry_on: tuple[type[Exception], ...] = (Exception,),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self.max_attempts = max_attempts
        self.base = base
        self.retry_on = retry_on
        self._sleep = sleep

    def with_retry(
        self, operation: Callable[[dict[str, Any]], Any], job_data: dict[str, Any], queue_name: str
    ) -> RetryResult:
        """Run `operation(job_data)` until it succeeds or the attempts are used up."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return RetryResult(success=True, result=operation(job_data), attempts=attempt)
            except SoftTimeLimitExceeded:
                raise
            except self.retry_on as error:
                failure = describe_error(error)
                logger.warning(
                    "attempt_failed", operation=_name_of(operation), queue=queue_name, attempt=attempt, error=failure
                )
            if attempt >= self.max_attempts:
                break
            self._sleep(backoff(attempt, base=self.base, cap=LONGEST_WAIT_IN_PLACE).total_seconds())
        DeadLetter.objects.bury(
            queue=queue_name[:64],
            task=_name_of(operation),
            subject=_subject_of(job_data),
            payload=clean_json(job_data),
            error=failure,
            attempts=attempt,
        )
        return RetryResult(success=False, error=failure, attempts=attempt, moved_to_dlq=True)


def bury(step: Step, subject: object, *, error: str, attempts: int, payload: dict[str, Any] | None = None) -> int:
    """Keep the final failure of a step's row as a dead letter; failing again adds to the open one. Gives its id."""
    return DeadLetter.objects.bury(
        queue=step.queue,
        task=step.value,
        subject=str(subject),
        payload=clean_json(payload or {}),
        error=clean_text(error),
        attempts=attempts,
    )


Revive = Callable[[int], bool]
"""Makes a failed row wait for its step again; False where there is no such row, or it needs no reviving."""

REVIVERS: dict[Step, Revive] = {}


def register_reviver(step: Step, revive: Revive) -> None:
    """Say how a row that failed for good is made to wait for this step again; called by apps as they start."""
    REVIVERS[step] = revive


def can_requeue(letter: DeadLetter) -> bool:
    """Tell whether the letter's work belongs to a step, and so can be asked for again."""
    return letter.task in REVIVERS


def requeue(dead_letter_id: int, *, by: str = "") -> bool:
    """Make the letter's row wait for its step again; False where the letter is not open or its row is gone.

    InvalidStateTransitionError for an operation outside the pipeline: nobody can run it from the letter.
    """
    with transaction.atomic():
        if not _leave(dead_letter_id, state=DeadLetter.State.REQUEUED, by=by, action="requeue"):
            return False
        letter = DeadLetter.objects.get_by_id(dead_letter_id)
        if letter is None or not can_requeue(letter):
            raise InvalidStateTransitionError(
                "This work was no step of the pipeline; it can only be discarded",
                details={"dead_letter_id": dead_letter_id},
            )
        step = Step(letter.task)
        if not REVIVERS[step](int(letter.subject)):
            transaction.set_rollback(True)
            return False
        dispatch(step, int(letter.subject))
        return True


def discard(dead_letter_id: int, *, by: str = "", reason: str = "") -> bool:
    """Let the work go; False where the letter is not open."""
    return _leave(dead_letter_id, state=DeadLetter.State.DISCARDED, by=by, reason=clean_text(reason), action="discard")


def _leave(dead_letter_id: int, *, action: str, **fields: Any) -> bool:
    with recording(action, DeadLetter.objects, [dead_letter_id]):
        return DeadLetter.objects.leave(dead_letter_id, **fields)


def _name_of(operation: Callable[..., Any]) -> str:
    kind = operation if hasattr(operation, "__qualname__") else type(operation)
    return f"{kind.__module__}.{kind.__qualname__}"[-128:]


def _subject_of(job_data: dict[str, Any]) -> str:
    """Give the job's own id, or a digest of its data, so that the same job finds its letter again."""
    if job_data.get("id") is not None:
        return clean_text(str(job_data["id"]), limit=200)
    text = json.dumps(clean_json(job_data), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
