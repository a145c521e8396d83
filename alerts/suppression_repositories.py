"""Reads and atomic writes of modes, silences and quiet hours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import F, Func, Model, Q, Value
from django.db.models.functions import Now

from siteadmin.core.reading import fetch_prepared
from siteadmin.core.repository import Repository, RepositoryQuerySet

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    from alerts.models import Mode, ModeChange, QuietHours, Silence


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence as it was in effect, from `begins` up to, not including, `ends`."""

    id: int
    begins: datetime
    ends: datetime
    camera_ids: Sequence[str]
    rule_ids: Sequence[int]
    severities: Sequence[str]
    object_types: Sequence[str]
    zone_ids: Sequence[int]
    comment: str


@dataclass(frozen=True, slots=True)
class HoursRow:
    """Quiet hours of a channel or a person, as they were from `begins` up to, not including, `ends`."""

    id: int
    channel_id: int | None
    user_id: int | None
    schedule: dict[str, Any]
    critical_passes: bool
    begins: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class SnoozeRow:
    """A snoozed alert."""

    alert_id: int
    dedup_key: str
    severity: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class SuppressionRows:
    """What keeps alerts from being told."""

    silences: Sequence[SilenceRow]
    snoozes: Sequence[SnoozeRow]
    hours: Sequence[HoursRow]


class ModeQuerySet(RepositoryQuerySet["Mode"]):
    """Reads that chain."""

    def in_order(self) -> Self:
        """Give all in the order in which they were made."""
        return self.order_by("pk")


_ModeRepository = Repository.from_queryset(ModeQuerySet)


class ModeRepository(_ModeRepository["Mode"]):
    """Look-ups and writes of modes."""

    def clock_and_active(self) -> tuple[datetime, str]:
        """Give the database's time and the name of the active mode, "" where none is."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT clock_timestamp(), (SELECT name FROM alerts_mode WHERE is_active)")
            now, name = cursor.fetchone()
        return now, name or ""

    def lock_all(self) -> Sequence["Mode"]:
        """Give all modes, locked until the transaction ends; whoever switches does so one after the other."""
        return list(self.get_queryset().order_by("pk").select_for_update())

    def get_named(self, name: str) -> "Mode | None":
        """Give the mode of this name, or None."""
        return self.get_queryset().filter(name=name).first()

    def names(self) -> list[str]:
        """Give the names of all modes."""
        return list(self.in_order().values_list("name", flat=True))

    def set_active(self, mode_id: int) -> None:
        """Make this mode the active one; the caller has locked all."""
        self.get_queryset().filter(is_active=True).exclude(pk=mode_id).update(is_active=False)
        self.get_queryset().filter(pk=mode_id).update(is_active=True)

    def note_judged(self, *, until: datetime) -> None:
        """Note that all switch times up to then are dealt with."""
        self.get_queryset().filter(judged_until__lt=until).update(judged_until=until)


class ModeChangeQuerySet(RepositoryQuerySet["ModeChange"]):
    """Reads that chain."""


_ModeChangeRepository = Repository.from_queryset(ModeChangeQuerySet)


class ModeChangeRepository(_ModeChangeRepository["ModeChange"]):
    """Look-ups and writes of the history of modes."""

    def newest(self) -> "ModeChange | None":
        """Give the latest change."""
        return self.get_queryset().order_by("-at", "-pk").first()

    def history(self, *, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """Give time and mode of each change in the span, oldest first, and of the last one before it."""
        changes = self.get_queryset().filter(at__lte=until)
        before = changes.filter(at__lte=since).order_by("-at", "-pk").values_list("at", "mode_name")[:1]
        within = changes.filter(at__gt=since).order_by("at", "pk").values_list("at", "mode_name")
        return [*before, *within]

    def rename(self, old: str, *, new: str) -> None:
        """Call a mode by its new name."""
        self.get_queryset().filter(mode_name=old).update(mode_name=new)


class KeptQuerySet(RepositoryQuerySet[M]):
    """Reads of rows that stay, hidden, when they are changed or deleted."""

    def current(self) -> Self:
        """Leave out rows that only say what once was."""
        return self.filter(counts_until=None)


class KeptRepository(Repository[M]):
    """Writes of such rows, for who asks what was so at an earlier time."""

    def get_locked(self, row_id: int) -> M | None:
        """Give the row as it is now, locked until the transaction ends."""
        return self.get_queryset().filter(pk=row_id, counts_until=None).select_for_update(of=("self",)).first()

    def keep_as_it_was(self, row: M, *, at: datetime) -> None:
        """Store a hidden copy of what the row was until now."""
        values: dict[str, Any] = {
            field.attname: getattr(row, field.attname)
            for field in self.model._meta.concrete_fields
            if not field.primary_key
        }
        self.save(self.model(**{**values, "counts_until": at}))

    def retire(self, row_id: int, *, at: datetime) -> bool:
        """Let a row count no more; False where there is none."""
        return bool(self.get_queryset().filter(pk=row_id, counts_until=None).update(counts_until=at))


class SilenceQuerySet(KeptQuerySet["Silence"]):
    """Reads that chain."""

    def not_over(self) -> Self:
        """Keep those that are in effect or to come."""
        return self.current().filter(ends_at__gt=Now())

    def in_state(self, states: Iterable[str]) -> Self:
        """Keep those that are active, pending (to come) or over now."""
        wanted = Q(pk__in=())
        for state in states:
            wanted |= {
                "pending": Q(starts_at__gt=Now()),
                "active": Q(starts_at__lte=Now(), ends_at__gt=Now()),
                "expired": Q(ends_at__lte=Now()),
            }[state]
        return self.filter(wanted)


_SilenceRepository = KeptRepository.from_queryset(SilenceQuerySet)


class SilenceRepository(_SilenceRepository["Silence"]):
    """Look-ups and writes of silences."""


class QuietHoursQuerySet(KeptQuerySet["QuietHours"]):
    """Reads that chain."""

    def with_whose(self) -> Self:
        """Fetch channel and user along."""
        return self.select_related("channel", "user")


_QuietHoursRepository = KeptRepository.from_queryset(QuietHoursQuerySet)


class QuietHoursRepository(_QuietHoursRepository["QuietHours"]):
    """Look-ups and writes of quiet hours."""

    def of_channel(self, channel_id: int) -> list[HoursRow]:
        """Give what is switched on for a channel now."""
        return self._now(channel_id=channel_id)

    def of_people(self, user_ids: Iterable[int]) -> list[HoursRow]:
        """Give what is switched on for these people now."""
        return self._now(user_id__in=list(user_ids))

    def _now(self, **wanted: Any) -> list[HoursRow]:
        rows = (
            self.current()
            .filter(enabled=True, **wanted)
            .order_by("pk")
            .values_list("pk", "channel_id", "user_id", "schedule", "critical_passes", "counts_from", "counts_until")
        )
        return [HoursRow(*row) for row in rows]


_SUPPRESSIONS = """
SELECT
    coalesce((
        SELECT json_agg(json_build_array(
            id, greatest(starts_at, counts_from), least(ends_at, counts_until), camera_ids, rule_ids, severities,
            object_types, zone_ids, comment
        ) ORDER BY id)
        FROM alerts_silence
        WHERE starts_at <= %(until)s AND ends_at > %(since)s
          AND counts_from <= %(until)s AND (counts_until IS NULL OR counts_until > %(since)s)
    ), '[]'),
    coalesce((
        SELECT json_agg(json_build_array(id, dedup_key, severity, snoozed_at, snoozed_until) ORDER BY id)
        FROM alerts_alert
        WHERE dedup_key = ANY(%(keys)s) AND snoozed_at <= %(until)s AND snoozed_until > %(since)s
    ), '[]'),
    coalesce((
        SELECT json_agg(json_build_array(
            id, channel_id, user_id, schedule, critical_passes, counts_from, counts_until
        ) ORDER BY id)
        FROM alerts_quiethours
        WHERE enabled AND (channel_id = ANY(%(channels)s) OR user_id IS NOT NULL AND %(channels)s::bigint[] <> '{}')
          AND counts_from <= %(until)s AND (counts_until IS NULL OR counts_until > %(since)s)
    ), '[]')
"""


def read_suppressions(
    *, since: datetime, until: datetime, dedup_keys: Iterable[str], channel_ids: Iterable[int]
) -> SuppressionRows:
    """Give what was in effect at some time of this span: silences, snoozes of these keys, and quiet hours of these
    channels or, where there are any, of any person.
    """
    values: dict[str, Any] = {
        "since": since,
        "until": until,
        "keys": list(dedup_keys),
        "channels": list(channel_ids),
    }
    [(silences, snoozes, hours)] = fetch_prepared(_SUPPRESSIONS, values, using=DEFAULT_DB_ALIAS)
    return SuppressionRows(
        silences=[SilenceRow(key, _time(begins), _time(ends), *rest) for key, begins, ends, *rest in silences],
        snoozes=[
            SnoozeRow(alert_id, key, severity, _time(begins), _time(ends))
            for alert_id, key, severity, begins, ends in snoozes
        ],
        hours=[
            HoursRow(key, channel_id, user_id, schedule, passes, _time(begins), None if ends is None else _time(ends))
            for key, channel_id, user_id, schedule, passes, begins, ends in hours
        ],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def rules_limited_to(mode_name: str) -> list[str]:
    """Give the names of the rules that are limited to this mode."""
    rules = apps.get_model("alerts", "AlertRule")._default_manager
    return list(rules.filter(modes__contains=[mode_name]).order_by("name").values_list("name", flat=True))


def rename_mode_in_rules(old: str, *, new: str) -> None:
    """Let the rules that are limited to a mode call it by its new name."""
    rules = apps.get_model("alerts", "AlertRule")._default_manager
    rules.filter(modes__contains=[old]).update(modes=Func(F("modes"), Value(old), Value(new), function="array_replace"))
