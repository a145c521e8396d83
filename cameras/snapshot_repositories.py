"""Reads and atomic writes of snapshots."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Exists, Q
from django.db.models.functions import Now

from cameras.choices import WAITING_STATES, MediaType, SnapshotState
from cameras.queries import of_active_cameras
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import RepositoryQuerySet

if TYPE_CHECKING:
    from cameras.models import Snapshot

HAS_PICTURE = Q(width__isnull=False, media_type=MediaType.IMAGE)
"""Snapshots whose picture decodes."""
IS_WHOLE = Q(width__isnull=False)
"""Pictures and clips that decode."""
FILE_LOCKS = 0x66696C65
"""The first key of the advisory locks on stored files ("file" in ASCII), beside the name's hash."""

_CLAIM = """
UPDATE cameras_snapshot SET state = 'detecting', claim_token = %(token)s, due_at = statement_timestamp() + %(lease)s,
                            attempts = attempts + 1, swept_at = NULL
WHERE id = (SELECT id FROM cameras_snapshot WHERE {next} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""
CLAIM_MOST_URGENT = _CLAIM.format(
    next="due_at <= statement_timestamp() ORDER BY urgency DESC, captured_at DESC, id DESC",
)
CLAIM_BY_LOT = _CLAIM.format(
    next="""
    state IN ('received', 'detecting') AND due_at <= statement_timestamp() AND camera_id = (
        SELECT c.id FROM cameras_camera c
        WHERE EXISTS (SELECT FROM cameras_snapshot s WHERE s.camera_id = c.id
                      AND s.state IN ('received', 'detecting') AND s.due_at <= statement_timestamp())
        ORDER BY random() LIMIT 1
    ) ORDER BY due_at
    """,
)
"""A camera of those whose pictures wait, whichever has the most, and of it what has waited longest."""


class SnapshotQuerySet(RepositoryQuerySet["Snapshot"]):
    """Reads that chain."""

    def waiting(self) -> Self:
        """Keep what still waits for detection."""
        return self.filter(due_at__isnull=False)

    def of_active_cameras(self) -> Self:
        """Leave out what belongs to deleted cameras."""
        return of_active_cameras(self)

    def with_camera(self) -> Self:
        """Load each one's camera along."""
        return self.select_related("camera")

    def failed(self) -> Self:
        """Keep what could not be decoded or looked at."""
        return self.filter(state=SnapshotState.FAILED)

    def pictures(self) -> Self:
        """Keep those with a whole picture."""
        return self.filter(HAS_PICTURE)


_SnapshotRepository = ClaimableRepository.from_queryset(SnapshotQuerySet)


class SnapshotRepository(_SnapshotRepository["Snapshot"]):
    """Look-ups and writes of snapshots."""

    def waiting_by_state(self, *, up_to: int) -> list[tuple[str, int]]:
        """Give how many snapshots wait in each state that waits; counting stops at `up_to`."""
        waiting = self.filter(due_at__isnull=False).order_by()
        return [(state.value, waiting.filter(state=state)[:up_to].count()) for state in WAITING_STATES]

    def get_by_identities(self, uploads: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], tuple[int, str]]:
        """Give id and error of those of these uploads (camera, SHA-256, stated time) that were taken before."""
        if not uploads:
            return {}
        any_of = [Q(camera_id=camera, sha256=sha256, stated_at=stated) for camera, sha256, stated in uploads]
        rows = self.filter(reduce(or_, any_of)).order_by()
        found = rows.values_list("camera_id", "sha256", "stated_at", "pk", "error")
        return {(camera, sha256, stated): (pk, error) for camera, sha256, stated, pk, error in found}

    def insert_all(self, snapshots: Sequence["Snapshot"]) -> None:
        """Write new snapshots, or none: IntegrityError where one of these uploads was taken before."""
        self.bulk_create(snapshots)

    def claim_next(self, *, lease: timedelta, by_lot: bool) -> tuple[int, uuid.UUID] | None:
        """Take the waiting snapshot whose turn it is, as `claim` does; None where none is due. Gives id and token.

        That is the most urgent one, and of these the newest; or `by_lot` the longest waiting one of some camera.
        However many workers ask at once, each gets another: what one takes is skipped by the others.
        """
        taken: dict[str, Any] = {"token": uuid.uuid4(), "lease": lease}
        with connections[self.db].cursor() as cursor:
            for statement in (CLAIM_BY_LOT, CLAIM_MOST_URGENT) if by_lot else (CLAIM_MOST_URGENT,):
                cursor.execute(statement, taken)
                row = cursor.fetchone()
                if row is not None:
                    return row[0], taken["token"]
        return None

    def has_real(self) -> bool:
        """Tell whether any picture came that the demo did not draw."""
        return self.get_queryset().filter(camera__demo=False).exists()

    def get_latest_picture(self, camera_id: str) -> "Snapshot | None":
        """Give a camera's newest whole picture, or None."""
        pictures = self.get_queryset().filter(HAS_PICTURE, camera_id=camera_id)
        return pictures.order_by("-captured_at", "-id").first()

    def picture_before(self, snapshot: "Snapshot", *, within: timedelta) -> "Snapshot | None":
        """Give the camera's newest whole picture of the same size from shortly before this one, or None."""
        pictures = self.get_queryset().filter(
            HAS_PICTURE,
            camera_id=snapshot.camera_id,
            width=snapshot.width,
            height=snapshot.height,
            captured_at__lt=snapshot.captured_at,
            captured_at__gte=snapshot.captured_at - within,
        )
        return pictures.order_by("-captured_at", "-id").first()

    def looked_at_near(self, snapshot: "Snapshot", *, within: timedelta, count: int) -> list[int]:
        """Give the ids of up to `count` detected snapshots of the camera before this one, and as many after it."""
        at, own = snapshot.captured_at, snapshot.pk
        looked_at = self.filter(camera_id=snapshot.camera_id, state=SnapshotState.DETECTED)
        before = looked_at.filter(
            Q(captured_at__lt=at) | Q(captured_at=at, pk__lt=own), captured_at__gte=at - within, captured_at__lte=at
        )
        after = looked_at.filter(
            Q(captured_at__gt=at) | Q(captured_at=at, pk__gt=own), captured_at__lte=at + within, captured_at__gte=at
        )
        return [
            *before.order_by("-captured_at", "-id").values_list("pk", flat=True)[:count],
            *after.order_by("captured_at", "id").values_list("pk", flat=True)[:count],
        ]

    def wait_again(self, snapshot_id: int) -> bool:
        """Make a whole picture or clip whose detection failed wait for it anew; False for any other."""
        failed = self.get_queryset().filter(IS_WHOLE, pk=snapshot_id, state=SnapshotState.FAILED)
        return bool(
            failed.update(
                state=SnapshotState.RECEIVED, error="", due_at=Now(), attempts=0, claim_token=None, swept_at=None
            )
        )

    def remove_old(self, camera_id: str, *, before: datetime, unless: Exists, limit: int) -> list[tuple[int, str]]:
        """Delete up to `limit` of a camera's snapshots that came before then; gives their ids and files.

        Those that wait for detection stay, and those of which `unless` is true. Inside the caller's transaction.
        """
        old = self.filter(~unless, camera_id=camera_id, received_at__lt=before).exclude(state__in=WAITING_STATES)
        locked = old.order_by("received_at").select_for_update(skip_locked=True, of=("self",))
        rows = list(locked.values_list("pk", "file")[:limit])
        self.filter(pk__in=[pk for pk, _ in rows]).delete()
        return rows

    def files_of(self, camera_ids: Iterable[str]) -> list[tuple[int, str]]:
        """Give the ids and files of these cameras' snapshots."""
        return list(self.get_queryset().filter(camera_id__in=list(camera_ids)).values_list("pk", "file"))

    def hold_files(self, names: Sequence[str]) -> list[str]:
        """Keep these stored files from being removed until the transaction ends; gives their names."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock_shared(%s, hashtext(name)) FROM unnest(%s::text[]) AS name",
                [FILE_LOCKS, list(names)],
            )
        return list(names)

    def claim_unused_file(self, name: str) -> bool:
        """Tell whether no snapshot has this file, and keep any from taking it up until the transaction ends."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [FILE_LOCKS, name])
        return not self.filter(file=name).exists()

    def files_in_use(self, names: Iterable[str]) -> set[str]:
        """Give those of the files that a snapshot has."""
        return set(self.filter(file__in=names).values_list("file", flat=True))
