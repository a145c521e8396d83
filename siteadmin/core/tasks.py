"""The kernel's own tasks."""

from celery import shared_task

from siteadmin.core import heartbeat, housekeeping, stream, sweeper
from siteadmin.core.housekeeping import HousekeepingResult
from siteadmin.core.results import ForgetResult, SweepResult


@shared_task(name="core.sweep")
def sweep() -> SweepResult:
    """Ask again for every row that waits for too long; beat runs it every few seconds."""
    heartbeat.note_beat()
    return sweeper.sweep_all()


@shared_task(name="core.forget_changes")
def forget_changes() -> ForgetResult:
    """Remove what nobody can resume a stream from any more."""
    return ForgetResult(removed=stream.forget_old())


@shared_task(name="core.forget_old")
def forget_old() -> HousekeepingResult:
    """Remove what was kept for its time."""
    return housekeeping.forget_old()
