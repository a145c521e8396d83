"""What keeps alerts from being told, taken from rows: now, or in a span of the past."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import structlog
from django.conf import settings
from django.utils import timezone

from alerts.choices import ChannelKind, Severity
from alerts.models import Channel, PushSubscription, QuietHours
from alerts.schedules import ScheduleError, parse_schedule
from alerts.silencing import NOBODY, Audience, QuietFacts, SilenceFacts, SnoozeFacts, Suppressions
from alerts.suppression_repositories import HoursRow, SilenceRow, read_suppressions

logger = structlog.get_logger(__name__)


def load_suppressions(
    *, since: datetime, until: datetime | None = None, dedup_keys: Collection[str], channel_ids: Collection[int]
) -> Suppressions:
    """Give all that may keep alerts of these keys and channels back at `since`, or until `until`.

    They are those that were in effect then. One query, and two more where people have quiet hours.
    """
    found = read_suppressions(
        since=since, until=since if until is None else until, dedup_keys=dedup_keys, channel_ids=channel_ids
    )
    snoozes: dict[str, list[SnoozeFacts]] = defaultdict(list)
    for snooze in found.snoozes:
        facts = SnoozeFacts(snooze.alert_id, Severity(snooze.severity), snooze.begins, snooze.ends)
        snoozes[snooze.dedup_key].append(facts)
    quiet: dict[int, list[QuietFacts]] = defaultdict(list)
    for hours in found.hours:
        if hours.channel_id is not None:
            quiet[hours.channel_id].extend(_facts_of_hours([hours]))
    personal = [hours for hours in found.hours if hours.user_id is not None]
    reaching = list(Channel.objects.reaching_people(channel_ids)) if personal else []
    people = PushSubscription.objects.of_staff().people() if reaching else []
    return Suppressions(
        late_after=settings.LATE_AFTER,
        silences=[_facts_of_silence(silence) for silence in found.silences],
        snoozes=snoozes,
        quiet=quiet,
        audiences=_audiences(reaching, hours=personal, people=people),
    )


def quiet_channel(channel: Channel, *, severity: str) -> str:
    """Give the reason not to use a channel now, "" where there is none; one that tells of no alert is not critical."""
    if not getattr(channel, "has_quiet_hours", True):
        return ""
    hours = Suppressions(quiet={channel.pk: _facts_of_hours(QuietHours.objects.of_channel(channel.pk))})
    return hours.quiet_reason(channel.pk, severity=Severity(severity or Severity.HIGH), at=timezone.now())


def quiet_people(channel: Channel, *, severity: str, cameras: frozenset[str] | None) -> tuple[frozenset[int], str]:
    """Give whose devices are to be left out now, and the reason to tell nobody at all, "" where there is none.

    `cameras`: those that the message tells of (None: any), for who may see only some. One that tells of no alert has
    no severity and counts as not critical. Where all are quiet nobody is left out: who is asked for a message that
    is being sent already, as the hours of the last one begin, gets it.
    """
    if channel.kind != ChannelKind.WEBPUSH:
        return frozenset(), ""
    people = PushSubscription.objects.of_staff().of_who_may_see(cameras).people()
    hours = QuietHours.objects.of_people(user_id for user_id, _ in people)
    audience = _audiences([channel], hours=hours, people=people).get(channel.pk, NOBODY)
    asked, at = Severity(severity or Severity.HIGH), timezone.now()
    reason = audience.quiet_reason(severity=asked, at=at)
    return (frozenset() if reason else audience.spared(severity=asked, at=at)), reason


def _audiences(
    channels: Iterable[Channel], *, hours: Iterable[HoursRow], people: Iterable[tuple[int, str]]
) -> dict[int, Audience]:
    by_user: dict[int | None, list[QuietFacts]] = defaultdict(list)
    for one in hours:
        by_user[one.user_id].extend(_facts_of_hours([one]))
    return {
        channel.pk: Audience(
            {
                user_id: by_user[user_id]
                for user_id, name in people
                if not channel.config["users"] or name in channel.config["users"]
            }
        )
        for channel in channels
        if channel.is_readable
    }


def _facts_of_silence(silence: SilenceRow) -> SilenceFacts:
    return SilenceFacts(
        id=silence.id,
        begins=silence.begins,
        ends=silence.ends,
        camera_ids=frozenset(silence.camera_ids),
        rule_ids=frozenset(silence.rule_ids),
        severities=frozenset(silence.severities),
        object_types=frozenset(silence.object_types),
        zone_ids=frozenset(silence.zone_ids),
        comment=silence.comment,
    )


def _facts_of_hours(rows: Iterable[HoursRow]) -> list[QuietFacts]:
    facts = []
    for hours in rows:
        try:
            schedule = parse_schedule(hours.schedule)
            facts.append(QuietFacts(schedule, hours.critical_passes, hours.begins, hours.ends))
        except ScheduleError as error:  # a zone that this machine knows no more: rather told than not
            logger.warning("quiet_hours_unusable", quiet_hours=hours.id, error=str(error))
    return facts
