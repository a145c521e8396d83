"""The audit trail: who did what to what, from where, before and after; written in the transaction of the write.

Services that write for a person record it here; the pipeline's own writes (pictures, events that grow) are not a
person's and leave nothing. A write in which nothing changes leaves nothing either.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from siteadmin.core.actors import current_actor
from siteadmin.core.claims import Claimable
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import VersionConflictError
from siteadmin.core.fields import SealedObjectField, SealedTextField
from siteadmin.core.models import AuditEntry
from siteadmin.core.repository import Repository

State = dict[str, Any]

HIDDEN, CHANGED = "(hidden)", "(changed)"
"""Stand for a secret, and for one that is another now."""
_OF_CLAIMS = frozenset(field.name for field in Claimable._meta.fields)
_LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True, repr=False)
class _Secret:
    """A value that is compared and never shown."""

    value: Any


def state_of(row: models.Model) -> State:
    """Give what is recorded of a row: its fields, its many-to-many ids, and what its `audit_details` add.

    Secrets only compare; what the pipeline's workers keep of their claims is left out.
    """
    hidden = {"password", *getattr(row, "audit_hidden", ())}
    left_out = row.get_deferred_fields() | (_OF_CLAIMS if isinstance(row, Claimable) else frozenset())
    state: State = {}
    for field in row._meta.concrete_fields:
        if field.attname in left_out or isinstance(field, models.BinaryField):
            continue
        value = field.value_from_object(row)
        is_secret = isinstance(field, SealedTextField | SealedObjectField) or field.name in hidden
        state[field.name] = _Secret(value) if is_secret else value
    for field in row._meta.many_to_many:
        state[field.name] = sorted(getattr(row, field.attname).order_by().values_list("pk", flat=True))
    return state | getattr(row, "audit_details", dict)()


def record(action: str, row: models.Model, *, before: State | None = None, after: State | None = None) -> None:
    """Write an entry about a row; of two states only the fields that differ are kept.

    Inside the transaction of the write, or it would not be known whether that took place.
    """
    _write([_entry(action, row, before=before, after=after)])


def record_created(row: models.Model, *, action: str = "create") -> None:
    """Record a new row as the database has it."""
    row.refresh_from_db()
    record(action, row, after=state_of(row))


def record_deleted(row: models.Model, *, before: State | None = None, action: str = "delete") -> None:
    """Record that a row goes; `before` where it is gone already."""
    record(action, row, before=state_of(row) if before is None else before)


@contextmanager
def changing(row: models.Model, *, action: str = "update", expected_version: int | None = None) -> Iterator[None]:
    """Change one row for a person; the caller has locked it, and finds it afterwards as it is stored.

    VersionConflictError where somebody changed it since `expected_version`. A change counts up its `version`, where
    the row has one and the block left it alone.
    """
    version = getattr(row, "version", None)
    if expected_version not in (None, version):
        raise VersionConflictError(details={"version": version})
    before = state_of(row)
    key, repository = row.pk, _repository_of(row)
    yield
    if not repository.exists(key):
        row.pk = key  # Django takes it from a deleted row
        record_deleted(row, before=before, action=action)
        return
    row.refresh_from_db()
    if state_of(row) == before:
        return
    if version is not None and getattr(row, "version", None) == version:
        repository.count_change(key)
        row.refresh_from_db(fields=["version"])
    record(action, row, before=before, after=state_of(row))


@contextmanager
def recording(action: str, repository: Repository[Any], keys: Iterable[Any]) -> Iterator[None]:
    """Record what the block makes of these rows, each by itself; they are locked first, always in one order."""
    with transaction.atomic():
        before = {row.pk: (row, state_of(row)) for row in repository.lock_many(keys)}
        yield
        stored = {row.pk: row for row in repository.get_many(before)}
        entries = []
        for key, (row, old) in before.items():
            new = state_of(stored[key]) if key in stored else None
            if new != old:
                entries.append(_entry(action, stored.get(key, row), before=old, after=new))
        _write(entries)


def _entry(action: str, row: models.Model, *, before: State | None, after: State | None) -> AuditEntry:
    actor = current_actor()
    if before is not None and after is not None:
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        before, after = ({name: state[name] for name in names if name in state} for state in (before, after))
        changed = {name for name in names if isinstance(after.get(name), _Secret)}
    else:
        changed = set()
    return AuditEntry(
        actor_kind=actor.kind,
        actor=clean_text(actor.name, limit=200),
        actor_id=actor.id,
        address=actor.address,
        request_id=actor.request_id,
        action=action,
        resource_type=resource_type_of(row._meta.model),
        resource_id="" if row.pk is None else str(row.pk),
        resource=clean_text(str(row), limit=_LONGEST_LABEL),
        camera_id=_camera_of(row),
        before=_shown(before, changed=set()),
        after=_shown(after, changed=changed),
    )


def _camera_of(row: models.Model) -> str:
    """Give the id of the camera that a row belongs to, by the path that its model names; empty: to none."""
    found: Any = row
    for name in getattr(row, "camera_path", "").split("__"):
        found = getattr(found, name, None)
    return found or ""


def resource_type_of(model: type[models.Model]) -> str:
    """Give the word for a model's rows: `alert_rule` for AlertRule."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.__name__).lower()


def _shown(state: State | None, *, changed: set[str]) -> State | None:
    if state is None:
        return None
    return {
        name: _mask(value, word=CHANGED if name in changed else HIDDEN) if isinstance(value, _Secret) else value
        for name, value in state.items()
    }


def _mask(secret: _Secret, *, word: str) -> str:
    return word if secret.value else ""


def _repository_of(row: models.Model) -> Repository[Any]:
    repository: Repository[Any] = row._meta.model._default_manager  # type: ignore[assignment]  # all of ours have one
    return repository


def _write(entries: list[AuditEntry]) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("What is recorded belongs into the transaction of the write")
    AuditEntry.objects.create_many(entries)
