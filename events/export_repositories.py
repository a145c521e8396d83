"""Reads and atomic writes of exports."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.db.models import F
from django.db.models.functions import Now

from events.choices import WorkState
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import RepositoryQuerySet

if TYPE_CHECKING:
    from events.models import Export


class ExportQuerySet(RepositoryQuerySet["Export"]):
    """Reads that chain."""

    def of(self, requested_by: str) -> Self:
        """Keep what this person or key asked for."""
        return self.filter(requested_by=requested_by)

    def within(self, camera_ids: Iterable[str] | None) -> Self:
        """Keep what holds no more than these cameras; None: all."""
        return self if camera_ids is None else self.filter(camera_ids__contained_by=list(camera_ids))

    def not_expired(self) -> Self:
        """Keep what can still be fetched."""
        return self.filter(expires_at__gt=Now())


_ExportRepository = ClaimableRepository.from_queryset(ExportQuerySet)


class ExportRepository(_ExportRepository["Export"]):
    """Look-ups and writes of exports."""

    def get_claimed(self, export_id: int, *, token: uuid.UUID) -> "Export | None":
        """Give the export, if the claim is still ours."""
        return self.filter(pk=export_id, claim_token=token).first()

    def go_on(self, export: "Export", *, token: uuid.UUID) -> bool:
        """Record a slice that was written and wait for the next at once, if the claim is still ours."""
        written = {
            name: getattr(export, name) for name in ("rows_written", "parts", "size", "last_started_at", "last_event")
        }
        return self.postpone(export.pk, token=token, wait=timedelta(0), attempts=0, error="", **written)

    def wait_again(self, export_id: int) -> bool:
        """Make an export that failed for good wait again, where it stopped; False where it did not fail."""
        rows = self.filter(pk=export_id, state=WorkState.FAILED)
        again = {"due_at": Now(), "attempts": 0, "claim_token": None, "swept_at": None}
        return bool(rows.update(state=WorkState.WAITING, error="", finished_at=None, **again))

    def expired(self, *, limit: int) -> Sequence["Export"]:
        """Give up to `limit` exports whose time is over."""
        return list(self.filter(expires_at__lte=Now()).order_by("expires_at")[:limit])

    def forget(self, export_id: int) -> bool:
        """Remove an export whose time is over; False where somebody else did."""
        return bool(self.filter(pk=export_id, expires_at__lte=Now()).delete()[0])
