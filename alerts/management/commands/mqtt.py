"""The kept connections to MQTT brokers, as a process of its own."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from alerts.services.mqtt.keeper import Keeper


class Command(BaseCommand):
    help = "Keep a connection to the broker of every MQTT channel: cameras, mode and last will, until stopped."
    requires_migrations_checks = False
    requires_system_checks = ()  # prepare.py has checked

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Keeper().run(stop)
