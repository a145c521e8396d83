"""Rows that wait for a step: claimed with a lease and a fencing token, finished only by the token's holder.

The row is the truth and the broker's message only a hint:

1. `due_at` is set while the row waits for its step, and null when nothing is left to do.
2. A worker claims a due row by one UPDATE that moves `due_at` to the end of its lease, counts the attempt and
   sets a fresh token; whoever comes second updates no row.
3. It does its work outside any transaction and finishes by `WHERE claim_token = mine`; a worker that lost its
   lease meanwhile updates no row and so records nothing.
4. A worker that dies leaves the row due again at the end of the lease; the sweeper asks for every row that is
   overdue (`core.sweeper`), without grace for one whose lease ended, as no message is under way for it.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from siteadmin.core import metrics
from siteadmin.core.repository import Repository

C = TypeVar("C", bound="Claimable")

SWEEP_GRACE = timedelta(seconds=5)
"""How long a row may be due before the sweeper takes its message for lost."""
RESWEEP_AFTER = timedelta(seconds=20)
"""How long the sweeper waits before it asks for the same row again."""


def database_now(*, plus: timedelta = timedelta(0)) -> Combinable:
    """The database's own clock at the start of the statement's transaction, plus a span; workers' clocks may differ."""
    return Now() + plus


def sweep_when_due(wait: timedelta) -> Combinable:
    """Give what `swept_at` says of a row that is due after `wait` and has no message under way."""
    return database_now(plus=wait - RESWEEP_AFTER)


class Claimable(models.Model):
    """A row that waits for a step."""

    attempts = models.PositiveIntegerField(default=0, help_text="Times a worker began the step.")
    due_at = models.DateTimeField(
        null=True,
        blank=True,
        db_default=Now(),
        help_text="When the step may next begin; empty: nothing to do.",
    )
    claim_token = models.UUIDField(null=True, blank=True, editable=False)
    swept_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class ClaimableRepository(Repository[C]):
    """Claim, finish and sweep for models that wait for a step."""

    def claim(self, row_id: int, *, lease: timedelta, **fields: Any) -> uuid.UUID | None:
        """Take a due row for the time of the lease; None where it is not due, taken, done or gone.

        `fields` are set by the same statement (a state, say).
        """
        token = uuid.uuid4()
        taken = (
            self.get_queryset()
            .filter(pk=row_id, due_at__lte=Now())
            .update(
                claim_token=token,
                due_at=database_now(plus=lease),
                attempts=F("attempts") + 1,
                swept_at=sweep_when_due(lease),
                **fields,
            )
        )
        return token if taken else None

    def finish(self, row_id: int, *, token: uuid.UUID, **fields: Any) -> bool:
        """Record the end of the step, if the claim is still ours; False where the lease was lost."""
        fields = {"due_at": None, "swept_at": None, **fields}
        is_ours = bool(self.get_queryset().filter(pk=row_id, claim_token=token).update(claim_token=None, **fields))
        if is_ours and isinstance(fields.get("state"), str):
            counter = metrics.SETTLED.labels(self.model._meta.model_name, str(fields["state"]))
            transaction.on_commit(counter.inc)
        return is_ours

    def postpone(self, row_id: int, *, token: uuid.UUID, wait: timedelta, **fields: Any) -> bool:
        """Give the row back to be tried again after `wait`, if the claim is still ours.

        No message is under way for it, so the sweeper asks for it without grace as soon as it is due.
        """
        return self.finish(
            row_id,
            token=token,
            due_at=database_now(plus=wait),
            swept_at=sweep_when_due(wait),
            **fields,
        )

    def overdue(self) -> models.QuerySet[C]:
        """Give the rows that have been due for too long."""
        is_lost = Q(swept_at=None, due_at__lte=database_now(plus=-SWEEP_GRACE))
        return self.get_queryset().filter(
            is_lost | Q(swept_at__lte=database_now(plus=-RESWEEP_AFTER)), due_at__lte=Now()
        )

    def sweep(self, *, limit: int) -> Sequence[int]:
        """Give the ids of up to `limit` rows that have been due for too long, each to one sweeper only."""
        with transaction.atomic(using=self.db):
            overdue = self.overdue().order_by("due_at", "pk")
            locked = overdue.select_for_update(skip_locked=True, of=("self",), no_key=True)
            ids = list(locked.values_list("pk", flat=True)[:limit])
            self.get_queryset().filter(pk__in=ids).update(swept_at=Now())
        return ids

    def unsweep(self, ids: Sequence[int]) -> None:
        """Give swept rows back for which no message could be sent: the next sweep takes them at once."""
        self.get_queryset().filter(pk__in=ids).update(swept_at=database_now(plus=-RESWEEP_AFTER))

    def waiting_count(self, *, up_to: int | None = None) -> int:
        """Count the rows that wait for the step or are at it; counting stops at `up_to`."""
        return self.get_queryset().filter(due_at__isnull=False).order_by()[:up_to].count()

    def oldest_due(self) -> timedelta:
        """Tell how long the row that waits longest has been due; zero where none is."""
        due = self.get_queryset().filter(due_at__lte=Now()).order_by("due_at")
        waited = due.annotate(waited=Now() - F("due_at")).values_list("waited", flat=True).first()
        return waited or timedelta(0)
