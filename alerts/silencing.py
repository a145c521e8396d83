"""Why an alert is recorded, but nobody is told? Pure: no database, no clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from alerts.choices import Severity
from alerts.rules import DetectionFacts
from alerts.schedules import Schedule


@dataclass(slots=True, frozen=True)
class Subject:
    """What somebody would be told of."""

    camera_id: str
    rule_id: int | None
    severity: Severity
    dedup_key: str
    detections: Sequence[DetectionFacts] = ()
    """Those by which the rule holds."""
    channel_ids: Collection[int] = ()


@dataclass(slots=True, frozen=True)
class SilenceFacts:
    """What is silent from `begins` up to, not including, `ends`; an empty matcher is not set."""

    id: int
    begins: datetime
    ends: datetime
    camera_ids: frozenset[str] = frozenset()
    rule_ids: frozenset[int] = frozenset()
    severities: frozenset[str] = frozenset()
    object_types: frozenset[str] = frozenset()
    zone_ids: frozenset[int] = frozenset()
    comment: str = ""

    def covers(self, subject: Subject, *, at: datetime) -> bool:
        """Tell whether it is in effect and all its matchers match.

        Type and zone must match each detection by which the rule holds: who silences cats is told of a person.
        """
        if not self.begins <= at < self.ends:
            return False
        if self.camera_ids and subject.camera_id not in self.camera_ids:
            return False
        if self.rule_ids and subject.rule_id not in self.rule_ids:
            return False
        if self.severities and subject.severity not in self.severities:
            return False
        if not self.object_types and not self.zone_ids:
            return True
        return bool(subject.detections) and all(self._covers(one) for one in subject.detections)

    def _covers(self, detection: DetectionFacts) -> bool:
        if self.object_types and detection.object_type not in self.object_types:
            return False
        return not self.zone_ids or not self.zone_ids.isdisjoint(detection.zones)


@dataclass(slots=True, frozen=True)
class SnoozeFacts:
    """An alert that wants no more of its key for a while; a higher severity than its own is told all the same."""

    alert_id: int
    severity: Severity
    begins: datetime
    ends: datetime

    def describe(self) -> str:
        """Say so, in plain words."""
        return f"Alert {self.alert_id} is snoozed until {_moment(self.ends)}"


@dataclass(slots=True, frozen=True)
class QuietFacts:
    """Hours in which a channel is not used; they were so from `begins` up to, not including, `ends`."""

    schedule: Schedule
    critical_passes: bool = True
    begins: datetime | None = None
    ends: datetime | None = None

    def holds(self, *, at: datetime, severity: Severity) -> bool:
        """Tell whether nobody is to be told of this severity at this time."""
        if (self.begins is not None and at < self.begins) or (self.ends is not None and at >= self.ends):
            return False
        return not (self.critical_passes and severity is Severity.CRITICAL) and self.schedule.holds_at(at)


@dataclass(slots=True, frozen=True)
class Audience:
    """The people whom a channel reaches, each on devices of their own, with the quiet hours of each."""

    hours: Mapping[int, Sequence[QuietFacts]] = field(default_factory=dict)
    """By user; none for those who have no quiet hours."""

    def spared(self, *, severity: Severity, at: datetime) -> frozenset[int]:
        """Give those who are not to be told of this severity at this time."""
        return frozenset(
            user_id
            for user_id, several in self.hours.items()
            if any(one.holds(at=at, severity=severity) for one in several)
        )

    def quiet_reason(self, *, severity: Severity, at: datetime) -> str:
        """Give the reason to tell nobody, "" where somebody is to be told or nobody is reached at all."""
        everybody = bool(self.hours) and self.spared(severity=severity, at=at) == self.hours.keys()
        return "Quiet hours of everybody whom the channel reaches" if everybody else ""


@dataclass(slots=True, frozen=True)
class Suppressions:
    """All that may keep alerts from being told."""

    late_after: timedelta = timedelta(0)
    """0: nothing is late."""
    silences: Sequence[SilenceFacts] = ()
    snoozes: Mapping[str, Sequence[SnoozeFacts]] = field(default_factory=dict)
    """By dedup key."""
    quiet: Mapping[int, Sequence[QuietFacts]] = field(default_factory=dict)
    """By channel."""
    audiences: Mapping[int, Audience] = field(default_factory=dict)
    """By channel, those alone that reach people who have quiet hours."""

    def reason(self, subject: Subject, *, at: datetime) -> str:
        """Give the reason to keep an alert back at this time, "" where there is none."""
        snooze = self.snooze_of(subject, at=at)
        return (
            late_reason(subject.detections, late_after=self.late_after)
            or self.silence_reason(subject, at=at)
            or ("" if snooze is None else snooze.describe())
            or self._quiet(subject, at=at)
        )

    def quiet_reason(self, channel_id: int, *, severity: Severity, at: datetime) -> str:
        """Give the reason not to use a channel at this time, "" where there is none."""
        hours = (one for one in self.quiet.get(channel_id, ()) if one.holds(at=at, severity=severity))
        audience = self.audiences.get(channel_id, NOBODY)
        return next((f"Quiet hours: {one.schedule}" for one in hours), "") or audience.quiet_reason(
            severity=severity, at=at
        )

    def silence_reason(self, subject: Subject, *, at: datetime) -> str:
        """Name the first silence that covers the subject at this time, "" where none does."""
        for silence in self.silences:
            if silence.covers(subject, at=at):
                comment = f": {silence.comment}" if silence.comment else ""
                return f"Silenced until {_moment(silence.ends)}{comment}"
        return ""

    def snooze_of(self, subject: Subject, *, at: datetime) -> SnoozeFacts | None:
        """Give the snooze that covers the subject at this time, the longest of several; None where none does."""
        covering = [
            snooze
            for snooze in self.snoozes.get(subject.dedup_key, ())
            if snooze.begins <= at < snooze.ends and subject.severity.rank <= snooze.severity.rank
        ]
        return max(covering, key=lambda snooze: snooze.ends, default=None)

    def _quiet(self, subject: Subject, *, at: datetime) -> str:
        reasons = {one: self.quiet_reason(one, severity=subject.severity, at=at) for one in subject.channel_ids}
        return next(iter(reasons.values())) if reasons and all(reasons.values()) else ""


NOBODY = Audience()


def late_reason(detections: Sequence[DetectionFacts], *, late_after: timedelta) -> str:
    """Say that each of the detections arrived more than `late_after` after it was seen; 0 means never late."""
    if not late_after or not detections:
        return ""
    shortest = min(detection.arrived_at - detection.detected_at for detection in detections)
    if shortest <= late_after:
        return ""
    seen, limit = _words(shortest), _words(late_after)
    return f"Late: seen {'more than ' if seen == limit else ''}{seen} before it arrived, the limit is {limit}"


def _moment(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:g} seconds"
