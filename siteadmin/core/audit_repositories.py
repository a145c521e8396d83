"""Reads and writes of the audit trail, to which is only added."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import connections, transaction
from django.db.models import Q, QuerySet

from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from siteadmin.core.models import AuditEntry


class AuditQuerySet(RepositoryQuerySet["AuditEntry"]):
    """Reads that chain; what a queryset could change or delete in bulk is refused, by the database too."""

    def update(self, **fields: Any) -> NoReturn:
        """Refuse."""
        raise TypeError("Audit entries are never changed")

    def delete(self) -> NoReturn:
        """Refuse; old entries go by `AuditRepository.remove_old` alone."""
        raise TypeError("Audit entries are never deleted")


_AuditRepository = Repository.from_queryset(AuditQuerySet)


class AuditRepository(_AuditRepository["AuditEntry"]):
    """The audit trail."""

    def export_after(
        self, entries: QuerySet["AuditEntry"], place: tuple[datetime, int] | None, *, limit: int
    ) -> list[dict[str, Any]]:
        """Give the next of these entries, newest first, beyond the time and id of the last one."""
        rows = entries.order_by("-created_at", "-id")
        if place is not None:
            created_at, last = place
            # The first condition says nothing new, but lets an index start its scan at the place.
            rows = rows.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=last))
            rows = rows.filter(created_at__lte=created_at)
        found: Any = rows.values()[:limit]
        return list(found)

    def remove_old(self, *, before: datetime, limit: int) -> int:
        """Delete up to `limit` entries that were written before then, oldest first; gives how many.

        The database's trigger lets nothing else through than a transaction that says it is for retention.
        """
        table = self.model._meta.db_table
        with transaction.atomic(using=self.db), connections[self.db].cursor() as cursor:
            cursor.execute("SELECT set_config('siteadmin.audit_retention', 'on', true)")
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN "  # noqa: S608 - the only inserted text is the table's own name
                f"(SELECT id FROM {table} WHERE created_at < %s ORDER BY created_at, id LIMIT %s)",
                [before, limit],
            )
            removed: int = cursor.rowcount
            cursor.execute("SELECT set_config('siteadmin.audit_retention', 'off', true)")
        return removed
