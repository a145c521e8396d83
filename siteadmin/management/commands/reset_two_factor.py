"""`manage.py reset_two_factor NAME`: for who lost both app and recovery codes, the only admin among them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from siteadmin.accounts.repositories import find_user
from siteadmin.accounts.two_factor import remove_second_factor
from siteadmin.core.actors import acting_as_command


class Command(BaseCommand):
    """Lets a user log in by password alone again."""

    help = "Remove a user's second factor, so that the password alone is enough."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name."""
        parser.add_argument("name", help="user name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove it, and say so."""
        user = find_user(options["name"])
        if user is None:
            raise CommandError(f"There is no user '{options['name']}'")
        with acting_as_command("reset_two_factor"):
            done = remove_second_factor(user, action="reset_two_factor")
        self.stdout.write("Two-factor login is reset." if done else "Two-factor login was off already.")
