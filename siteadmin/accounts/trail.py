"""What the audit trail says of logins: who came in, who did not and why, and who left. Never what they typed."""

from datetime import datetime
from enum import StrEnum

from django.contrib.auth.models import User
from django.db import transaction

from siteadmin.accounts.repositories import find_user
from siteadmin.core.audit import record


class Reason(StrEnum):
    """Why a login failed."""

    PASSWORD = "wrong name or password"  # noqa: S105 - names one, and is none
    CODE = "wrong code of the second factor"
    NOT_STAFF = "not a member of staff"


def record_login(user: User, *, two_factor: bool) -> None:
    """Record that somebody came in; within the transaction of the login."""
    record("log_in", user, after={"two_factor": two_factor})


def record_logout(user: User) -> None:
    """Record that somebody left; within the transaction of the logout."""
    record("log_out", user)


def record_failure(
    name: str, *, reason: Reason, locked_until: datetime | None = None, locks_address: bool = False
) -> None:
    """Record that a login failed, and that it locked the name at the address, or the address for all names."""
    with transaction.atomic():
        user = _named(name)
        record("fail_login", user, after={"reason": reason.value})
        if locked_until is not None:
            record("lock_login", user, after={"until": locked_until} | ({"names": "all"} if locks_address else {}))


def record_unlocked(name: str, *, address: str | None) -> None:
    """Record that somebody lifted a lock; within the transaction that does."""
    record("unlock_login", _named(name), after={"address": address or "all"})


def _named(name: str) -> User:
    """Give the user of this name, else one of no name: what was typed may be a password in the wrong box."""
    return find_user(name) or User()
