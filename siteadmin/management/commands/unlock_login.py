"""`manage.py unlock_login NAME` or `--address ADDRESS`: for who is locked after failed logins."""

import ipaddress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from siteadmin.accounts.locks import unlock
from siteadmin.core.actors import acting_as_command


class Command(BaseCommand):
    """Lets a name that failed to log in, or all names at an address, try again at once."""

    help = "Forget the failed logins of a name, or at an address, so that it may try again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one of both, or both."""
        parser.add_argument("name", nargs="?", help="user name, as it was typed at the login")
        parser.add_argument("--address", help="address that the logins came from, as the list of failed logins has it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Unlock it, and say so."""
        if options["name"] is None and options["address"] is None:
            raise CommandError("Give a name, or --address")
        try:
            ipaddress.ip_address(options["address"] or "::")
        except ValueError as error:
            raise CommandError(str(error)) from error
        with acting_as_command("unlock_login"):
            done = unlock(options["name"], address=options["address"])
        self.stdout.write("Unlocked." if done else "There were no such failed logins.")
