"""Reads and atomic writes of the kernel's own models."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from siteadmin.core.clean import clean_text
from siteadmin.core.known_keys import tell_of_change
from siteadmin.core.reading import Parameter, Statement
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from siteadmin.core.models import ApiKey, BreakerState, DeadLetter


class DeadLetterQuerySet(RepositoryQuerySet["DeadLetter"]):
    """Reads that chain."""

    def dead(self) -> Self:
        """Keep what waits to be requeued or discarded."""
        return self.filter(state=self.model.State.DEAD)


_DeadLetterRepository = Repository.from_queryset(DeadLetterQuerySet)


class DeadLetterRepository(_DeadLetterRepository["DeadLetter"]):
    """Dead letters: one open row a task and subject, moved on by one conditional statement."""

    def bury(self, *, queue: str, task: str, subject: str, payload: Any, error: str, attempts: int) -> int:
        """Open a dead letter or add to the open one of this task and subject; give its id."""
        table = self.model._meta.db_table
        values: list[Any] = [queue, task, subject, Jsonb(payload), error, attempts]
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO {table} AS letter
                    (queue, task, subject, payload, state, error, attempts, first_failed_at, last_failed_at,
                     settled_by, reason)
                VALUES (%s, %s, %s, %s, 'dead', %s, %s, clock_timestamp(), clock_timestamp(), '', '')
                ON CONFLICT (task, subject) WHERE state = 'dead' DO UPDATE SET
                    queue = excluded.queue, payload = excluded.payload, error = excluded.error,
                    attempts = letter.attempts + excluded.attempts, last_failed_at = excluded.last_failed_at
                RETURNING id
                """,  # noqa: S608 - the only inserted text is the table's own name
                values,
            )
            return int(cursor.fetchone()[0])

    def leave(self, letter_id: int, *, state: "DeadLetter.State", by: str = "", reason: str = "") -> bool:
        """Move an open letter to this state; False where it is not open."""
        letters = self.get_queryset().filter(pk=letter_id, state=self.model.State.DEAD)
        return bool(letters.update(state=state, settled_at=Now(), settled_by=by, reason=reason))

    def pick(self, *, queues: list[str], tasks: list[str], error: str, limit: int) -> list[int]:
        """Give the ids of up to `limit` open letters, oldest first; what is empty picks all."""
        letters = self.filter(state=self.model.State.DEAD)
        letters = letters.filter(queue__in=queues) if queues else letters
        letters = letters.filter(task__in=tasks) if tasks else letters
        letters = letters.filter(error__icontains=error) if error else letters
        return list(letters.order_by("first_failed_at", "pk").values_list("pk", flat=True)[:limit])

    def get_open(self, *, task: str, subject: str) -> "DeadLetter | None":
        """Give the open letter of this task and subject, or None."""
        return self.get_queryset().filter(task=task, subject=subject, state=self.model.State.DEAD).first()

    def open_with(self, *, task: str, payload: dict[str, Any], limit: int) -> list[int]:
        """Give the ids of up to `limit` open letters of this task whose payload says this, oldest first."""
        letters = self.filter(task=task, state=self.model.State.DEAD, payload__contains=payload)
        return list(letters.order_by("first_failed_at", "pk").values_list("pk", flat=True)[:limit])

    def open_count(self) -> int:
        """Count the open letters."""
        return self.get_queryset().filter(state=self.model.State.DEAD).count()


class ApiKeyQuerySet(RepositoryQuerySet["ApiKey"]):
    """Keys; whoever writes them by the many tells those who remember them."""

    def update(self, **fields: Any) -> int:
        """Write these fields."""
        changed = super().update(**fields)
        tell_of_change(self.db)
        return changed

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete them."""
        deleted = super().delete()
        tell_of_change(self.db)
        return deleted


class ApiKeyRepository(Repository["ApiKey"]):
    """API keys, looked up by hash alone."""

    def get_queryset(self) -> ApiKeyQuerySet:
        """Give all keys."""
        return ApiKeyQuerySet(self.model, using=self._db)

    def get_usable(self, key_hash: str) -> "ApiKey | None":
        """Give the key with this hash, unless it was revoked or has expired by the database's clock."""
        found = self._usable.run([key_hash])
        return self.model.from_db(self.db, self._names, found[0]) if found else None

    @cached_property
    def _names(self) -> list[str]:
        return [field.attname for field in self.model._meta.concrete_fields]

    @cached_property
    def _usable(self) -> Statement:
        """Asked with every request by key."""
        rows = self.get_queryset().filter(key_hash=Parameter(0), revoked_at=None).order_by()
        return Statement(
            rows.filter(Q(expires_at=None) | Q(expires_at__gt=Now())).values_list(*self._names), is_prepared=True
        )

    def revoke(self, ids: Iterable[int]) -> int:
        """Revoke those of these keys that are not revoked yet; gives how many."""
        return self.get_queryset().filter(pk__in=list(ids), revoked_at=None).update(revoked_at=Now())

    def note_use(self, key_id: int, *, at_most_every: timedelta) -> bool:
        """Note that the key was used just now; False where that was noted within this span already."""
        return bool(
            self.get_queryset()
            .filter(pk=key_id)
            .filter(Q(last_used_at=None) | Q(last_used_at__lte=Now() - at_most_every))
            .update(last_used_at=Now())
        )


class BreakerStateQuerySet(RepositoryQuerySet["BreakerState"]):
    """Reads that chain."""

    def troubled(self) -> Self:
        """Keep the breakers that saw failures lately."""
        return self.filter(failures__gt=0)


_BreakerStateRepository = Repository.from_queryset(BreakerStateQuerySet)


class BreakerStateRepository(_BreakerStateRepository["BreakerState"]):
    """Circuit breakers: each transition one conditional statement on the database's clock."""

    def get_with_clock(self, name: str) -> "tuple[BreakerState, datetime] | None":
        """Give a breaker's row and the database's time."""
        row = self.get_queryset().filter(pk=name).annotate(now=Now()).first()
        return None if row is None else (row, row.now)

    def forget_failures(self, name: str) -> bool:
        """End the row of failures of a closed breaker; writes nothing where there is none."""
        return bool(
            self.get_queryset()
            .filter(pk=name, open_until=None, failures__gt=0)
            .update(failures=0, last_error="", changed_at=Now())
        )

    def count_failure(self, name: str, *, error: str, threshold: int, cool_off: timedelta) -> None:
        """Count a failure of a closed breaker, and open it with the one that reaches the threshold."""
        values: dict[str, Any] = {
            "name": name,
            "error": clean_text(error),
            "threshold": threshold,
            "cool_off": cool_off,
        }
        table = self.model._meta.db_table
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO {table} AS breaker (name, failures, last_error, open_until, changed_at)
                VALUES (%(name)s, 1, %(error)s,
                        CASE WHEN %(threshold)s <= 1 THEN clock_timestamp() + %(cool_off)s END, clock_timestamp())
                ON CONFLICT (name) DO UPDATE SET
                    failures = breaker.failures + 1,
                    last_error = excluded.last_error,
                    open_until = CASE WHEN breaker.failures + 1 >= %(threshold)s
                                      THEN clock_timestamp() + %(cool_off)s END,
                    changed_at = clock_timestamp()
                WHERE breaker.open_until IS NULL
                """,  # noqa: S608 - the only inserted text is the table's own name
                values,
            )

    def claim_probe(self, name: str, *, lease: timedelta) -> datetime | None:
        """Take the one probe of an open breaker whose cool-off is over; the end of its lease is its token."""
        values: dict[str, Any] = {"name": name, "lease": lease}
        table = self.model._meta.db_table
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE {table} SET probe_until = clock_timestamp() + %(lease)s
                WHERE name = %(name)s AND open_until <= clock_timestamp()
                  AND (probe_until IS NULL OR probe_until <= clock_timestamp())
                RETURNING probe_until
                """,  # noqa: S608 - the only inserted text is the table's own name
                values,
            )
            row = cursor.fetchone()
        return None if row is None else row[0]

    def close_after_probe(self, name: str, *, probe: datetime) -> bool:
        """Close the breaker, if the probe is still ours."""
        return bool(
            self.get_queryset()
            .filter(pk=name, probe_until=probe)
            .update(failures=0, last_error="", open_until=None, probe_until=None, changed_at=Now())
        )

    def open_after_probe(
        self, name: str, *, probe: datetime, error: str, threshold: int, cool_off: timedelta, longest: timedelta
    ) -> bool:
        """Open the breaker for twice as long as before, `longest` at most, if the probe is still ours."""
        values: dict[str, Any] = {
            "name": name,
            "probe": probe,
            "error": clean_text(error),
            "threshold": threshold,
            "cool_off": cool_off,
            "longest": longest,
        }
        table = self.model._meta.db_table
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE {table} SET
                    failures = failures + 1,
                    last_error = %(error)s,
                    open_until = clock_timestamp() + LEAST(
                        %(longest)s::interval,
                        %(cool_off)s::interval * power(2, LEAST(GREATEST(failures + 1 - %(threshold)s, 0), 20))
                    ),
                    probe_until = NULL,
                    changed_at = clock_timestamp()
                WHERE name = %(name)s AND probe_until = %(probe)s
                """,  # noqa: S608 - the only inserted text is the table's own name
                values,
            )
            return bool(cursor.rowcount)

    def release_probe(self, name: str, *, probe: datetime) -> bool:
        """Give an undecided probe back, so that the next call may probe."""
        return bool(self.get_queryset().filter(pk=name, probe_until=probe).update(probe_until=None))


def has_admin() -> bool:
    """Tell whether anybody may administer the site."""
    return get_user_model()._default_manager.filter(is_superuser=True, is_active=True).exists()
