"""`manage.py make_history`: a long made-up history, to measure and to try the product with."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from siteadmin.history.service import has_data, make_history

MOST_EVENTS = 100_000_000
MOST_DAYS = 3650


class Command(BaseCommand):
    """Writes cameras, events, detections, snapshots, alerts and deliveries; the same for the same arguments."""

    help = "Fill an empty database with a made-up history of events, by COPY."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how much, from where to where, and the consent to mix it with real data."""
        parser.add_argument("--events", type=int, required=True, metavar="N", help="how many; three detections each")
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="another number, another history (1)")
        parser.add_argument("--days", type=int, default=365, metavar="N", help="over how many days (365)")
        parser.add_argument("--until", metavar="DATE", help="the UTC day before which it ends (default: tomorrow)")
        parser.add_argument(
            "--mix-with-real-data",
            action="store_true",
            help="write into a database that holds pictures, events or alerts; nothing tells them apart afterwards but "
            "the cameras, whose ids begin with history_",
        )

    def handle(
        self, *, events: int, seed: int, days: int, until: str | None, mix_with_real_data: bool, **options: Any
    ) -> None:
        """Write, and say how much in what time."""
        if not 1 <= events <= MOST_EVENTS:
            raise CommandError(f"--events takes a whole number from 1 to {MOST_EVENTS}")
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days takes a whole number from 1 to {MOST_DAYS}")
        if has_data() and not mix_with_real_data:
            raise CommandError(
                "The database holds pictures, events or alerts. Use another one (DATABASE_URL), or say "
                "--mix-with-real-data"
            )
        began = time.monotonic()
        made = make_history(events=events, seed=seed, until=_end(until), span=timedelta(days=days))
        self.stdout.write(
            f"{made.events:,} events, {made.detections:,} detections, {made.snapshots:,} snapshots and "
            f"{made.alerts:,} alerts of {made.cameras} cameras in {time.monotonic() - began:.0f} s"
        )


def _end(until: str | None) -> datetime:
    if until is None:
        day = timezone.now().astimezone(UTC).date() + timedelta(days=1)
    else:
        try:
            day = date.fromisoformat(until)
        except ValueError as error:
            raise CommandError("--until takes a day such as 2026-03-14") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
