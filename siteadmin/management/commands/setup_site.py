"""`manage.py setup_site`: what a fresh database needs before the first start; safe to run at every start."""

from typing import Any

from django.core.management.base import BaseCommand

from siteadmin.core.actors import acting_as_command
from siteadmin.setup import set_up_site


class Command(BaseCommand):
    """Groups, the first admin, the inbox and, on an empty database, the demo."""

    help = "Create the groups, the first admin, the inbox channel and, on an empty database, the demo."

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up, and say on the first run how to log in."""
        with acting_as_command("setup_site"):
            report = set_up_site()
        if report.admin_name and report.admin_password:
            self.stdout.write(f"\nThe first admin is {report.admin_name}, password {report.admin_password}")
            self.stdout.write("Note it: it is not shown again.\n")
        elif report.admin_name:
            self.stdout.write(f"\nThe first admin is {report.admin_name}, with the password of the settings.\n")
        if report.has_demo:
            self.stdout.write(
                "Two demo cameras send drawn pictures for ten minutes; `manage.py demo --remove` ends it."
            )
