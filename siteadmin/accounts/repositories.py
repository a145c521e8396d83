"""Reads and atomic writes of accounts and their second factors."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db import OperationalError, connection, transaction
from django.db.models import F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable

from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from siteadmin.accounts.models import TwoFactor

LOGIN_LOCK = 0x6C6F6769
"""The first key of the advisory locks on addresses ("logi" in ASCII), beside the address's hash."""


def load_user(user_id: Any) -> User | None:
    """Give the user with group names (`role_names`), limit to cameras and second factor, by one statement."""
    users: Any = get_user_model()._default_manager
    names = Group.objects.filter(user=OuterRef("pk")).values("name")
    loaded = users.filter(pk=user_id).select_related("camera_limit", "two_factor").defer("two_factor__secret")
    found: User | None = loaded.annotate(role_names=ArraySubquery(names)).first()
    return found


def find_user(name: str) -> User | None:
    """Give the user of this name."""
    users: Any = get_user_model()._default_manager
    found: User | None = users.filter(**{get_user_model().USERNAME_FIELD: name}).first()
    return found


def superusers() -> QuerySet[User]:
    """Give those whom nothing is refused."""
    users: QuerySet[User] = get_user_model()._default_manager.filter(is_superuser=True)
    return users


def failures_at(address: str | None, *, since: datetime) -> QuerySet[AccessAttempt]:
    """Give what is counted of failed logins at this address, a row for each name and browser, newest first."""
    rows: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since)
    return rows.order_by("-attempt_time")


def failures_of(name: str, *, address: str | None, since: datetime) -> QuerySet[AccessAttempt]:
    """Give those of this name."""
    return failures_at(address, since=since).filter(username=name)


def take_turn(address: str | None, *, wait: timedelta) -> bool:
    """Hold the logins of this address until the caller's transaction ends; False where others do for so long."""
    milliseconds = str(int(wait.total_seconds() * 1000))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [milliseconds])
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOGIN_LOCK, address or ""])
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True


class TwoFactorRepository(Repository["TwoFactor"]):
    """Second factors; each code is used up by one conditional statement."""

    def begin(self, user_id: int, *, secret: str) -> bool:
        """Store a secret that waits for its first code; False where the user has a confirmed one."""
        self.get_queryset().bulk_create([self.model(user_id=user_id, secret=secret)], ignore_conflicts=True)
        return bool(self.get_queryset().filter(pk=user_id, confirmed_at=None).update(secret=secret))

    def get_confirmed(self, user_id: int) -> "TwoFactor | None":
        """Give the user's second factor where it is in force."""
        return self.get_queryset().filter(pk=user_id, confirmed_at__isnull=False).first()

    def confirm(self, user_id: int, *, step: int, recovery_hashes: Sequence[str]) -> bool:
        """Put a secret into force by its first code; False where somebody else did."""
        waiting = self.get_queryset().filter(pk=user_id, confirmed_at=None)
        return bool(
            waiting.update(
                confirmed_at=Now(), last_step=step, failures=0, failed_at=None, recovery_hashes=list(recovery_hashes)
            )
        )

    def use_step(self, user_id: int, *, step: int) -> bool:
        """Use up the code of this span; False where it, or a later one, was used."""
        fresh = self.get_queryset().filter(pk=user_id, last_step__lt=step)
        return bool(fresh.update(last_step=step, failures=0, failed_at=None))

    def use_recovery(self, user_id: int, *, code_hash: str) -> bool:
        """Use up a recovery code; False where there is none such."""
        left = self.get_queryset().filter(pk=user_id, recovery_hashes__contains=[code_hash])
        rest = Func(F("recovery_hashes"), Value(code_hash), function="array_remove")
        return bool(left.update(recovery_hashes=rest, failures=0, failed_at=None))

    def replace_recovery(self, user_id: int, *, recovery_hashes: Sequence[str]) -> bool:
        """Put new recovery codes in the place of the old ones."""
        confirmed = self.get_queryset().filter(pk=user_id, confirmed_at__isnull=False)
        return bool(confirmed.update(recovery_hashes=list(recovery_hashes)))

    def take_try(self, user_id: int, *, most: int, pause: timedelta) -> bool:
        """Count a try before its code is looked at, so that tries at once are no more; False while it pauses."""
        may_try = Q(failures__lt=most) | Q(failed_at__lte=Now() - pause)
        counted = self.get_queryset().filter(may_try, pk=user_id)
        return bool(counted.update(failures=F("failures") + 1, failed_at=Now()))

    def remove(self, user_id: int) -> bool:
        """Remove the user's second factor; False where there is none."""
        return bool(self.get_queryset().filter(pk=user_id).delete()[0])
