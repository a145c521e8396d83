"""What the steps of telling people answer, and what a channel is given to tell."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from siteadmin.core.results import register_result


@register_result
@dataclass(slots=True, frozen=True)
class ChannelOutcome:
    """How one channel fared: `delivered`, `retry`, `failed`, `held`, `parked` or `skipped`."""

    channel_id: int | None
    channel: str
    outcome: str
    delivery_id: int | None = None
    status_code: int | None = None
    error: str = ""
    retry_in_seconds: float | None = None
    duration_ms: int = 0


@register_result
@dataclass(slots=True, frozen=True)
class DeliveryResult:
    """What became of telling of an alert, channel by channel.

    Without outcomes there was nothing to do: another worker has the delivery, or it is over.
    """

    alert_id: int | None
    outcomes: tuple[ChannelOutcome, ...] = ()

    @property
    def all_successful(self) -> bool:
        """Whether every channel accepted it."""
        return all(outcome.outcome == "delivered" for outcome in self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """How many channels fared in which way."""
        return dict(Counter(outcome.outcome for outcome in self.outcomes))


@dataclass(slots=True, frozen=True)
class Notice:
    """What people are told, before a channel puts it into its own form."""

    type: str
    """`alert.created` or `channel.test`."""
    at: datetime
    title: str
    """One line of plain text."""
    facts: tuple[tuple[str, str], ...] = ()
    """Label and plain text each; a text may hold what users wrote."""
    links: dict[str, str] = field(default_factory=dict)
    """`event` and `image` where there is an event, `camera` where there is none."""
    data: dict[str, Any] = field(default_factory=dict)
    """What programs are told, as plain JSON."""
    picture: bytes | None = None
    """The annotated picture as JPEG; only for channels that want one."""

    @property
    def page(self) -> str:
        """The page of what it tells of, "" where there is none."""
        return self.links.get("event") or self.links.get("camera", "")


@register_result
@dataclass(slots=True, frozen=True)
class DedupResult:
    """Whether an alert under a key would be a duplicate; through Celery the alert travels as its id alone."""

    is_duplicate: bool
    existing_alert: Any = None
    """The `Alert` that it would be a duplicate of."""
    seconds_until_cooldown_expires: int | None = None
    existing_alert_id: int | None = None

    def __post_init__(self) -> None:
        if self.existing_alert is not None:
            object.__setattr__(self, "existing_alert_id", self.existing_alert.pk)


@register_result
@dataclass(slots=True, frozen=True)
class EscalationResult:
    """What one look at an alert's escalation came to; without an alert there was nothing to do."""

    alert_id: int | None
    step: int | None = None
    """The step that was taken."""
    stopped: bool = False
    """Whether somebody had acknowledged or dismissed the alert."""
    held: str = ""
    """Why the step waits for longer."""
    error: str | None = None


@register_result
@dataclass(slots=True, frozen=True)
class TriggeredRule:
    """A rule that fired, and the alert that it made."""

    rule_id: int
    severity: str
    alert_id: int
    dedup_key: str
    matched_conditions: tuple[str, ...] = ()


@register_result
@dataclass(slots=True, frozen=True)
class SkippedRule:
    """A rule that did not fire: `not_yet`, `duplicate` or `suppressed`, and why."""

    rule_id: int
    outcome: str
    reason: str
    alert_id: int | None = None


@register_result
@dataclass(slots=True, frozen=True)
class EvaluationResult:
    """What one evaluation of an event made of the rules that could still fire for it.

    Without any rule there was nothing to do: another worker has the event, or each rule is decided.
    """

    event_id: int | None = None
    triggered_rules: tuple[TriggeredRule, ...] = ()
    skipped_rules: tuple[SkippedRule, ...] = ()
    highest_severity: str | None = None
    error: str | None = None

    @property
    def has_triggers(self) -> bool:
        """Whether any rule fired."""
        return bool(self.triggered_rules)


@register_result
@dataclass(slots=True, frozen=True)
class ModeSwitchResult:
    """The mode that became active by its switch times, "" where none did."""

    activated: str = ""


@register_result
@dataclass(slots=True, frozen=True)
class ForgettingResult:
    """Of how many deliveries the message's bytes were forgotten."""

    deliveries: int = 0


@dataclass(slots=True, frozen=True)
class PreviewMatch:
    """An event, or a change of a camera's status, for which a rule would have held.

    `fired`, `duplicate` or `suppressed`, and why.
    """

    event_id: int | None
    change_id: int | None
    camera_id: str
    at: datetime
    """When it would have held first."""
    outcome: str
    reason: str
    dedup_key: str
    matched_conditions: tuple[str, ...]
    duplicate_of: int | None = None
    """The event, or the change, whose alert it would have been a duplicate of."""


@dataclass(slots=True, frozen=True)
class PreviewMiss:
    """An event, or a change, for which a rule would not have held: the conditions that were met, and those not."""

    event_id: int | None
    change_id: int | None
    camera_id: str
    at: datetime
    matched_conditions: tuple[str, ...]
    reasons_not: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class PreviewResult:
    """What a rule would have made of past events; matches in the order in which it would have held."""

    matches: tuple[PreviewMatch, ...] = ()
    misses: tuple[PreviewMiss, ...] = ()
    is_cut: bool = False
    """Whether there were more events than are looked at."""

    @property
    def event_count(self) -> int:
        """How many events, or changes, were judged."""
        return len(self.matches) + len(self.misses)

    @property
    def counts(self) -> dict[str, int]:
        """How many matches would have fired, been duplicates and been suppressed."""
        found = Counter(match.outcome for match in self.matches)
        return {outcome: found[outcome] for outcome in ("fired", "duplicate", "suppressed")}
