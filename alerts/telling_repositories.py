"""Reads and atomic writes of what decides who else is told, and how often."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import IntegrityError, connections, transaction
from django.db.models import OuterRef

from alerts.choices import UNACKNOWLEDGED
from siteadmin.core.claims import RESWEEP_AFTER, ClaimableRepository, database_now, sweep_when_due
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import ChannelPace, Escalation, EscalationStep, LinkUse


class ChannelPaceQuerySet(RepositoryQuerySet["ChannelPace"]):
    """Reads that chain."""


_ChannelPaceRepository = Repository.from_queryset(ChannelPaceQuerySet)


class ChannelPaceRepository(_ChannelPaceRepository["ChannelPace"]):
    """The one place where it is decided what a channel with a limit may send now."""

    def take(self, channel_id: int, *, limit: int, period: timedelta, force: bool = False) -> bool:
        """Take one of the period's places, a new period beginning where the last is over; False where none is left.

        `force` takes one in any case. The row stays locked, taken or not, to the end of the transaction, so what
        the caller does about it is done by one worker after the other.
        """
        values: dict[str, Any] = {"channel": channel_id, "limit": limit, "period": period, "force": force}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO alerts_channelpace AS pace (channel_id, started_at, sent)
                VALUES (%(channel)s, clock_timestamp(), 1)
                ON CONFLICT (channel_id) DO UPDATE SET
                    started_at = CASE WHEN pace.started_at <= clock_timestamp() - %(period)s::interval
                                      THEN clock_timestamp() ELSE pace.started_at END,
                    sent = CASE WHEN pace.started_at <= clock_timestamp() - %(period)s::interval
                                THEN 1 ELSE pace.sent + 1 END
                WHERE %(force)s OR pace.sent < %(limit)s
                   OR pace.started_at <= clock_timestamp() - %(period)s::interval
                RETURNING channel_id
                """,
                values,
            )
            return cursor.fetchone() is not None

    def hold(self, channel_id: int) -> "ChannelPace | None":
        """Give the channel's row, locked until the transaction ends."""
        return self.get_queryset().select_for_update(no_key=True).filter(pk=channel_id).first()


class EscalationStepQuerySet(RepositoryQuerySet["EscalationStep"]):
    """Reads that chain."""

    def of_rules(self, rule_ids: Sequence[int]) -> Self:
        """Keep the steps of these rules, in order."""
        return self.filter(rule_id__in=rule_ids).order_by("rule_id", "position")

    def at_or_after(self, position: int) -> Self:
        """Keep the steps from this one on."""
        return self.filter(position__gte=position)


_EscalationStepRepository = Repository.from_queryset(EscalationStepQuerySet)


class EscalationStepRepository(_EscalationStepRepository["EscalationStep"]):
    """Look-ups and writes of escalation steps."""

    def replace(self, rule_id: int, *, steps: Sequence[Mapping[str, Any]]) -> None:
        """Let the rule have these steps, `wait_seconds` and `channel_ids` each; the caller holds the rule."""
        self.get_queryset().filter(rule_id=rule_id, position__gt=len(steps)).delete()
        for position, step in enumerate(steps, start=1):
            kept, _ = self.update_or_create(
                rule_id=rule_id, position=position, defaults={"wait_seconds": step["wait_seconds"]}
            )
            kept.channels.set(step["channel_ids"])


class EscalationQuerySet(RepositoryQuerySet["Escalation"]):
    """Reads that chain."""

    def waiting_of_outer_alert(self) -> Self:
        """Keep what waits for the alert of an outer query while nobody has answered (`Alert.waiting_escalation`)."""
        return self.filter(alert_id=OuterRef("pk"), due_at__isnull=False, alert__status__in=UNACKNOWLEDGED)


_EscalationRepository = ClaimableRepository.from_queryset(EscalationQuerySet)


class EscalationRepository(_EscalationRepository["Escalation"]):
    """Look-ups and writes of escalations."""

    def get_claimed(self, escalation_id: int, *, token: uuid.UUID) -> "Escalation | None":
        """Give the escalation, locked until the transaction ends, if the claim is still ours."""
        return self.get_queryset().select_for_update(no_key=True).filter(pk=escalation_id, claim_token=token).first()

    def look_again(self, dedup_key: str) -> int:
        """Make due now what a snooze under this key holds up, since it may end earlier than it did; gives how many.

        What a worker is at just now is left alone: the caller has locked an alert, which that one may wait for.
        """
        held = self.get_queryset().filter(alert__dedup_key=dedup_key, due_at__gt=database_now()).exclude(reason="")
        free = held.order_by("pk").select_for_update(skip_locked=True, of=("self",), no_key=True)
        ids = list(free.values_list("pk", flat=True))
        now = {"due_at": database_now(), "swept_at": sweep_when_due(timedelta(0))}
        return self.get_queryset().filter(pk__in=ids).update(**now) if ids else 0

    def revive(self, escalation_id: int) -> bool:
        """Make an escalation that failed for good wait for its step again."""
        rows = self.get_queryset().filter(pk=escalation_id, due_at=None)
        return bool(rows.update(due_at=database_now(), swept_at=database_now(plus=-RESWEEP_AFTER), attempts=0))


class LinkUseQuerySet(RepositoryQuerySet["LinkUse"]):
    """Reads that chain."""


_LinkUseRepository = Repository.from_queryset(LinkUseQuerySet)


class LinkUseRepository(_LinkUseRepository["LinkUse"]):
    """Look-ups and writes of the use of links."""

    def is_used(self, delivery_id: int, *, action: str) -> bool:
        """Tell whether the link was used."""
        return self.get_queryset().filter(delivery_id=delivery_id, action=action).exists()

    def use(self, delivery_id: int, *, action: str) -> bool:
        """Use a link up; False where somebody did. A rollback gives it back."""
        try:
            with transaction.atomic():
                self.create(delivery_id=delivery_id, action=action)
        except IntegrityError:
            return False
        return True
