"""The folder watcher, as its own process."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cameras.ingest.watcher import Watcher
from cameras.services import accept_uploads
from siteadmin.core import heartbeat

MOST_SUFFIXES = 20


class Command(BaseCommand):
    help = "Watch the camera root and take in every picture that arrives, until stopped."
    requires_migrations_checks = False
    requires_system_checks = ()  # prepare.py has checked

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="Take in what is there now, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        watcher = Watcher(settings.CAMERA_ROOT, accept=accept_uploads, stable=settings.FILE_STABLE, alive=_alive)
        if options["once"]:
            watcher.run_once()
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(watcher.counts.items()))
            self.stdout.write(counts or "nothing there")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        watcher.run(stop)


def _alive(watcher: Watcher) -> None:
    heartbeat.note_watcher(left=dict(watcher.left.most_common(MOST_SUFFIXES)))
