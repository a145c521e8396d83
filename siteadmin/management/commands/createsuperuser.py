"""`manage.py createsuperuser`: Django's own, recorded in the audit trail."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from siteadmin.accounts.repositories import superusers
from siteadmin.core.actors import acting_as_command
from siteadmin.core.audit import record_created


class Command(createsuperuser.Command):
    """Asks for a name and a password."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Make and record them in one transaction, which has locked nothing yet while somebody types."""
        with transaction.atomic(), acting_as_command("createsuperuser"):
            before = list(superusers().values_list("pk", flat=True))
            super().handle(*args, **options)
            for user in superusers().exclude(pk__in=before):
                record_created(user)
