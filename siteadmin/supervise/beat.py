"""Celery beat's schedule file, without the power to stop beat."""

import shelve
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import celery.beat
import structlog

logger = structlog.get_logger(__name__)


class Scheduler(celery.beat.PersistentScheduler):
    """Keeps when each entry ran last; a file that a kill -9 or a full disk has spoilt is begun anew.

    Celery does so for a file that cannot be opened, not for one that opens and holds half an entry.
    """

    schedule_filename: str
    _store: shelve.Shelf[Any]
    _remove_db: Callable[[], None]

    def setup_schedule(self) -> None:
        """Read the file, or make it."""
        try:
            super().setup_schedule()
        except Exception as error:  # noqa: BLE001 - garbage unpickles into any exception
            logger.warning("schedule_file_is_spoilt", file=self.schedule_filename, error=repr(error))
            with suppress(Exception):  # closing writes back what it can; it must be over before the file goes
                self._store.close()
            self._remove_db()
            super().setup_schedule()
