"""Circuit breaker before a target outside, its state shared by all processes through PostgreSQL.

closed: calls pass; `threshold` failures in a row open it.
open: calls are held back until the cool-off ends.
half-open: one probe among all workers passes; its success closes the breaker, its failure opens it for longer.

Every transition is one conditional statement, and the clock is the database's. A call costs one read; a success
writes only where there were failures when the call began.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from django.conf import settings

from siteadmin.core.exceptions import CircuitBreakerOpenError
from siteadmin.core.models import BreakerState

T = TypeVar("T")

FAILURES_TO_OPEN = 5
LONGEST_COOL_OFF = timedelta(minutes=5)
PROBE_LEASE = timedelta(minutes=2)
"""How long a probe may take before another worker may send one; above every task's time limit."""


class Position(StrEnum):
    """What a breaker does with the next call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A breaker as it stands now."""

    name: str
    position: Position
    failures: int
    retry_after: float
    """Seconds until the next call may pass; 0 where it may now."""
    last_error: str


class GuardedCall:
    """One call that passed the breaker; its holder may say that it failed without raising."""

    def __init__(self, *, is_probe: bool = False) -> None:
        self.error: str | None = None
        self.is_probe = is_probe
        """Whether it is the first call after an outage; its success closes the breaker."""

    def failed(self, error: str) -> None:
        """Count the call as a failure of the target."""
        self.error = error


class CircuitBreaker:
    """The breaker of one target, such as `CircuitBreaker("detector:http", counts=(OutboundError,))`.

    `counts` are the exceptions that speak against the target. Others pass through and prove nothing. The first
    cool-off is BREAKER_COOL_OFF_SECONDS, where nothing else is said.
    """

    def __init__(
        self,
        name: str,
        *,
        counts: tuple[type[Exception], ...] = (),
        threshold: int = FAILURES_TO_OPEN,
        cool_off: timedelta | None = None,
        longest_cool_off: timedelta = LONGEST_COOL_OFF,
    ) -> None:
        self.name = name
        self.counts = counts
        self.threshold = threshold
        self.cool_off = settings.BREAKER_COOL_OFF if cool_off is None else cool_off
        self.longest_cool_off = longest_cool_off

    def call(self, operation: Callable[[], T]) -> T:
        """Run the operation if the breaker lets it pass; CircuitBreakerOpenError where it does not."""
        with self.guard():
            return operation()

    @contextlib.contextmanager
    def guard(self, *, seen: BreakerView | None = None) -> Iterator[GuardedCall]:
        """Let the block run if the breaker lets it pass; CircuitBreakerOpenError where it does not.

        `seen`: how it stood just now, which saves a caller of several calls in a row the look before each.
        """
        seen = seen or state_of(self.name)
        probe = self._enter(seen)
        call = GuardedCall(is_probe=probe is not None)
        try:
            yield call
        except self.counts as error:
            self._record_failure(str(error) or type(error).__name__, probe=probe)
            raise
        except BaseException:
            if probe is not None:
                BreakerState.objects.release_probe(self.name, probe=probe)
            raise
        if call.error is not None:
            self._record_failure(call.error, probe=probe)
        elif probe is not None:
            BreakerState.objects.close_after_probe(self.name, probe=probe)
        elif seen.failures:
            BreakerState.objects.forget_failures(self.name)

    def _enter(self, view: BreakerView) -> datetime | None:
        """Give None for an ordinary call, or the end of the lease for a probe."""
        if view.position is Position.CLOSED:
            return None
        if view.position is Position.HALF_OPEN:
            probe = BreakerState.objects.claim_probe(self.name, lease=PROBE_LEASE)
            if probe is not None:
                return probe
            view = state_of(self.name)
            if view.position is Position.CLOSED:
                return None
        raise CircuitBreakerOpenError(
            retry_after=max(view.retry_after, 1.0), details={"breaker": self.name, "failures": view.failures}
        )

    def _record_failure(self, error: str, *, probe: datetime | None) -> None:
        if probe is not None:
            BreakerState.objects.open_after_probe(
                self.name,
                probe=probe,
                error=error,
                cool_off=self.cool_off,
                longest=self.longest_cool_off,
                threshold=self.threshold,
            )
        else:
            BreakerState.objects.count_failure(self.name, error=error, threshold=self.threshold, cool_off=self.cool_off)


def state_of(name: str) -> BreakerView:
    """Give the breaker's state by the database's clock; one that never failed is closed."""
    row = BreakerState.objects.get_with_clock(name)
    if row is None:
        return BreakerView(name, Position.CLOSED, 0, 0.0, "")
    state, now = row
    if state.open_until is None:
        return BreakerView(name, Position.CLOSED, state.failures, 0.0, state.last_error)
    waits = (state.open_until, state.probe_until or state.open_until)
    retry_after = max((max(waits) - now).total_seconds(), 0.0)
    position = Position.OPEN if retry_after > 0 else Position.HALF_OPEN
    return BreakerView(name, position, state.failures, retry_after, state.last_error)
