"""`manage.py changepassword [NAME]`: Django's own, recorded in the audit trail."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from siteadmin.accounts.repositories import find_user
from siteadmin.core.actors import acting_as_command
from siteadmin.core.audit_admin import record_password


class Command(changepassword.Command):
    """Asks for a new password."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Change and record it in one transaction, which has locked nothing yet while somebody types."""
        name = options["username"] or getpass.getuser()
        with transaction.atomic(), acting_as_command("changepassword"):
            said = super().handle(*args, **options)
            user = find_user(name)
            if user is not None:
                record_password(user)
        return said
