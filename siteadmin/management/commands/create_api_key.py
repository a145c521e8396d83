"""`manage.py create_api_key`: make a key of the API and print it once."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cameras.models import Camera
from siteadmin.core.actors import acting_as_command
from siteadmin.core.exceptions import SecurityIntelligenceError
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role

LONGEST_LIFE_DAYS = 36_500


class Command(BaseCommand):
    """Prints the key alone on the last line of standard output, so that scripts can take it from there."""

    help = "Make an API key and print it; it is stored hashed and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name, the role, and what limits the key."""
        parser.add_argument("name", help="what the key is for; each name once")
        parser.add_argument("--role", required=True, choices=Role.values, help="what the key may do")
        parser.add_argument(
            "--camera",
            action="append",
            default=[],
            dest="cameras",
            metavar="ID",
            help="limit the key to this camera; repeat for several (default: all cameras)",
        )
        parser.add_argument("--expires-days", type=int, metavar="N", help="days until the key expires (default: never)")

    def handle(self, *, name: str, role: str, cameras: list[str], expires_days: int | None, **options: Any) -> None:
        """Make the key, or say in one line why not."""
        if expires_days is not None and not 1 <= expires_days <= LONGEST_LIFE_DAYS:
            raise CommandError(f"--expires-days takes a whole number from 1 to {LONGEST_LIFE_DAYS}")
        known = {camera.pk for camera in Camera.objects.get_many(cameras) if camera.deleted_at is None}
        unknown = [camera for camera in dict.fromkeys(cameras) if camera not in known]
        if unknown:
            raise CommandError(f"No camera has the id {', '.join(unknown)}")
        expires_at = None if expires_days is None else timezone.now() + timedelta(days=expires_days)
        try:
            with acting_as_command("create_api_key"):
                _, key = create_api_key(name=name, role=Role(role), camera_ids=cameras, expires_at=expires_at)
        except SecurityIntelligenceError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"API key '{name.strip()}' ({role}); it is shown only now:")
        self.stdout.write(key)
