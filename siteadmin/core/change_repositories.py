"""What changed, in the order in which it was committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now

from siteadmin.core.repository import LARGEST_ID, Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from siteadmin.core.models import Change


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between changes: behind this one of this transaction. Its text is the `id` of a message."""

    transaction: int
    change: int = LARGEST_ID

    def __str__(self) -> str:
        return f"{self.transaction}-{self.change}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a position; ValueError for anything else."""
        transaction, _, change = text.partition("-")
        if not (text.isascii() and transaction.isdigit() and change.isdigit() and len(text) <= 40):
            raise ValueError("not a position")
        return cls(min(int(transaction), LARGEST_ID), min(int(change), LARGEST_ID))


class ChangeQuerySet(RepositoryQuerySet["Change"]):
    """Reads that chain."""

    def beyond(self, position: Position) -> Self:
        """Keep what comes after this place."""
        same = Q(transaction=position.transaction, pk__gt=position.change)
        # The bound on the first field alone is where the index scan begins.
        return self.filter(same | Q(transaction__gt=position.transaction), transaction__gte=position.transaction)


_ChangeRepository = Repository.from_queryset(ChangeQuerySet)


class ChangeRepository(_ChangeRepository["Change"]):
    """Reads changes so that none is passed over.

    A change is given once every transaction that began to write before its own has ended: so nothing is committed
    later before a place that was read already. Ids alone would not do, since they are taken before the commit.
    """

    def end(self) -> Position:
        """Give the place behind all that is given now."""
        return Position(self._settled() - 1)

    def after(self, position: Position, *, limit: int) -> Sequence["Change"]:
        """Give up to `limit` changes behind this place, in their order."""
        rows = self.beyond(position).filter(transaction__lt=self._settled())
        return list(rows.order_by("transaction", "pk")[:limit])

    def reaches(self, position: Position) -> bool:
        """Tell whether all that came after this place is still there; a place beyond the end is another database's."""
        if position > self.end():
            return False
        oldest = self.get_queryset().order_by("transaction", "pk").values_list("transaction", "pk").first()
        return oldest is None or oldest[1] == 1 or position >= Position(*oldest)

    def forget(self, *, older_than: timedelta, limit: int) -> int:
        """Remove up to `limit` changes of that age, the newest of all excepted: it marks how far back we reach."""
        newest = self.get_queryset().order_by("-transaction", "-pk").values("pk")[:1]
        old = self.get_queryset().filter(at__lt=Now() - older_than).exclude(pk__in=newest).order_by("transaction", "pk")
        return self.get_queryset().filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]

    def _settled(self) -> int:
        """Give the oldest transaction that may still write; all before it have ended."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            row: Any = cursor.fetchone()
        return int(row[0])
