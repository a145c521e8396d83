"""Reads and atomic writes of requests whose answers are kept."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now

from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from siteadmin.core.models import RememberedRequest

LOCK = 0x6964656D
"""The first key of the advisory locks on keys ("idem" in ASCII), beside the hash of actor and key."""


class RememberedRequestRepository(Repository["RememberedRequest"]):
    """One row an actor and key; the unique constraint decides."""

    def try_lock(self, *, actor: str, key: str) -> bool:
        """Hold the key until the transaction ends, without waiting; False where somebody else holds it."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, f"{actor} {key}"])
            return bool(cursor.fetchone()[0])

    def get_kept(self, *, actor: str, key: str, kept_for: timedelta) -> "RememberedRequest | None":
        """Give what is kept under the key; what is too old, or was claimed by a process that died, is forgotten."""
        rows = self.get_queryset().filter(actor=actor, key=key)
        rows.filter(Q(created_at__lte=Now() - kept_for) | Q(status=None, running_until__lte=Now())).delete()
        return rows.first()

    def remember(self, **fields: Any) -> None:
        """Keep an answer, in the transaction of what it answers for."""
        self.create(**fields)

    def claim(self, *, lease: timedelta, **fields: Any) -> None:
        """Note that a request is under way, for the time of the lease at most."""
        self.create(**fields, running_until=Now() + lease)

    def finish(self, token: uuid.UUID, *, status: int, answer: str) -> bool:
        """Keep the answer to a claimed request; False where its claim was lost."""
        # Sealed by the field's own way into the database.
        row = self.get_queryset().filter(token=token, status=None)
        return bool(row.update(status=status, answer=answer, running_until=None))

    def release(self, token: uuid.UUID) -> None:
        """Forget a claimed request that came to nothing."""
        self.get_queryset().filter(token=token, status=None).delete()

    def forget_old(self, *, kept_for: timedelta) -> int:
        """Forget what is too old; gives how many."""
        return self.get_queryset().filter(created_at__lte=Now() - kept_for).delete()[0]
