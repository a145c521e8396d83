"""`manage.py unlock_login NAME`: for who is locked after failed logins, the only admin among them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from siteadmin.accounts.locks import unlock
from siteadmin.core.actors import acting_as_command


class Command(BaseCommand):
    """Lets a name that failed to log in try again at once."""

    help = "Forget the failed logins of a name, so that it may try again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name."""
        parser.add_argument("name", help="user name, as it was typed at the login")

    def handle(self, *args: Any, **options: Any) -> None:
        """Unlock it, and say so."""
        with acting_as_command("unlock_login"):
            done = unlock(options["name"])
        self.stdout.write("Unlocked." if done else "There were no failed logins of this name.")
