"""The kernel's own task."""

from celery import shared_task

from siteadmin.core import heartbeat, sweeper
from siteadmin.core.results import SweepResult


@shared_task(name="core.sweep")
def sweep() -> SweepResult:
    """Ask again for every row that waits for too long; beat runs it every few seconds."""
    heartbeat.note_beat()
    return sweeper.sweep_all()
