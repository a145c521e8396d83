"""What keeps alerts from being told, taken from rows: now, or in a span of the past."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import structlog
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from alerts.choices import Severity
from alerts.models import Alert, QuietHours, Silence
from alerts.schedules import ScheduleError, parse_schedule
from alerts.silencing import QuietFacts, SilenceFacts, SnoozeFacts, Suppressions

logger = structlog.get_logger(__name__)


def load_suppressions(
    *, since: datetime, until: datetime | None = None, dedup_keys: Collection[str], channel_ids: Collection[int]
) -> Suppressions:
    """Give all that may keep alerts of these keys and channels back at `since`, or until `until`; three queries.

    Silences and snoozes are those that were in effect then, quiet hours those of today.
    """
    until = since if until is None else until
    snoozes: dict[str, list[SnoozeFacts]] = defaultdict(list)
    for alert_id, key, severity, begins, ends in Alert.objects.snoozes_within(dedup_keys, since=since, until=until):
        snoozes[key].append(SnoozeFacts(alert_id, Severity(severity), begins, ends))
    quiet: dict[int, list[QuietFacts]] = defaultdict(list)
    for hours in QuietHours.objects.of_channels(channel_ids) if channel_ids else ():
        if hours.channel_id is not None:
            quiet[hours.channel_id].extend(_facts_of_hours([hours]))
    return Suppressions(
        late_after=settings.LATE_AFTER,
        silences=[_facts_of_silence(silence) for silence in Silence.objects.within(since, until)],
        snoozes=snoozes,
        quiet=quiet,
    )


def quiet_reason(
    *, channel_id: int | None = None, user: AbstractBaseUser | None = None, severity: str, at: datetime
) -> str:
    """Say why a channel, or what is a person's own, is not to be used at this time; "" where it may be."""
    rows: list[QuietHours] = []
    if channel_id is not None:
        rows += QuietHours.objects.of_channels([channel_id])
    if user is not None and user.pk is not None:
        rows += QuietHours.objects.of_user(user.pk)
    holding = (one for one in _facts_of_hours(rows) if one.holds(at=at, severity=Severity(severity)))
    return next((f"Quiet hours: {one.schedule}" for one in holding), "")


def is_quiet(
    *, channel_id: int | None = None, user: AbstractBaseUser | None = None, severity: str, at: datetime
) -> bool:
    """Tell whether a channel, or what is a person's own, is not to be used at this time."""
    return bool(quiet_reason(channel_id=channel_id, user=user, severity=severity, at=at))


def _facts_of_silence(silence: Silence) -> SilenceFacts:
    ends = silence.ends_at if silence.counts_until is None else min(silence.ends_at, silence.counts_until)
    return SilenceFacts(
        id=silence.pk,
        begins=max(silence.starts_at, silence.counts_from),
        ends=ends,
        camera_ids=frozenset(silence.camera_ids),
        rule_ids=frozenset(silence.rule_ids),
        severities=frozenset(silence.severities),
        object_types=frozenset(silence.object_types),
        zone_ids=frozenset(silence.zone_ids),
        comment=silence.comment,
    )


def _facts_of_hours(rows: Iterable[QuietHours]) -> list[QuietFacts]:
    facts = []
    for hours in rows:
        try:
            facts.append(QuietFacts(parse_schedule(hours.schedule), hours.critical_passes))
        except ScheduleError as error:  # a zone that this machine knows no more: rather told than not
            logger.warning("quiet_hours_unusable", quiet_hours=hours.pk, error=str(error))
    return facts
