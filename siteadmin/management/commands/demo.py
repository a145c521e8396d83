"""`manage.py demo --remove`: the demo and all that came of it, gone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from siteadmin.core.actors import acting_as_command
from siteadmin.demo.service import remove_demo


class Command(BaseCommand):
    """Removes the demo."""

    help = "Remove the demo cameras with their pictures, events and alerts."

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the one thing it does, so that it never happens by mistake."""
        parser.add_argument("--remove", action="store_true", help="take the demo away")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove, and say how much."""
        if not options["remove"]:
            raise CommandError("demo takes --remove, which takes the demo away")
        with acting_as_command("demo"):
            count = remove_demo()
        self.stdout.write(f"Removed {count} demo cameras." if count else "There is no demo.")
