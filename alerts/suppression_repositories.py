"""Reads and atomic writes of modes, silences and quiet hours."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.apps import apps
from django.db import connections
from django.db.models import F, Func, Model, Q, Value
from django.db.models.functions import Now

from siteadmin.core.repository import Repository, RepositoryQuerySet

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    from alerts.models import Mode, ModeChange, QuietHours, Silence


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

    def counting(self, since: datetime, until: datetime) -> Self:
        """Keep what was so at some time of this span."""
        return self.filter(Q(counts_until=None) | Q(counts_until__gt=since), counts_from__lte=until).order_by("pk")


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

    def within(self, since: datetime, until: datetime) -> Self:
        """Keep what was in effect at some time of this span, as it was then."""
        return self.counting(since, until).filter(starts_at__lte=until, ends_at__gt=since)


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

    def of_channels_or_people(
        self, channel_ids: Iterable[int], *, since: datetime, until: datetime
    ) -> list["QuietHours"]:
        """Give what was switched on at some time of this span for these channels, and for any person."""
        wanted = Q(channel_id__in=list(channel_ids)) | Q(user__isnull=False)
        return list(self.counting(since, until).filter(wanted, enabled=True))

    def of_channel(self, channel_id: int) -> list["QuietHours"]:
        """Give what is switched on for a channel now."""
        return list(self.current().filter(enabled=True, channel_id=channel_id).order_by("pk"))

    def of_people(self, user_ids: Iterable[int]) -> list["QuietHours"]:
        """Give what is switched on for these people now."""
        return list(self.current().filter(enabled=True, user_id__in=list(user_ids)).order_by("pk"))


def rules_limited_to(mode_name: str) -> list[str]:
    """Give the names of the rules that are limited to this mode."""
    rules = apps.get_model("alerts", "AlertRule")._default_manager
    return list(rules.filter(modes__contains=[mode_name]).order_by("name").values_list("name", flat=True))


def rename_mode_in_rules(old: str, *, new: str) -> None:
    """Let the rules that are limited to a mode call it by its new name."""
    rules = apps.get_model("alerts", "AlertRule")._default_manager
    rules.filter(modes__contains=[old]).update(modes=Func(F("modes"), Value(old), Value(new), function="array_replace"))
