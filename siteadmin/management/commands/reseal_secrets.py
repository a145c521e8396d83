"""`manage.py reseal_secrets`: let the present SECRET_KEY open everything, so that the older one may go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from siteadmin.core.resealing import reseal_all


class Command(BaseCommand):
    """Tells for each field what became of it; fails where something cannot be read."""

    help = "Encrypt all secrets in the database under the present SECRET_KEY; those of SECRET_KEY_FALLBACKS are read."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal anew what needs it."""
        done = reseal_all()
        for one in done:
            self.stdout.write(f"{one.field}: {one.changed} encrypted anew, {one.current} were already")
        lost = {one.field: one.unreadable for one in done if one.unreadable}
        if lost:
            named = ", ".join(f"{number} of {field}" for field, number in lost.items())
            raise CommandError(
                f"Cannot be read, and left as they are: {named}. Put the key under which they were encrypted into "
                "SECRET_KEY_FALLBACKS and run this again, or enter them anew."
            )
