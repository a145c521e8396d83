"""What the steps of this app give back."""

from dataclasses import dataclass, field
from enum import StrEnum

from siteadmin.core.results import register_result


class DetectionOutcomeKind(StrEnum):
    """What became of one look at a snapshot."""

    DETECTED = "detected"
    NOT_DUE = "not_due"
    LEASE_LOST = "lease_lost"
    POSTPONED = "postponed"
    FAILED = "failed"


@register_result
@dataclass(slots=True, frozen=True)
class DetectionRunResult:
    """What detection made of one snapshot: how many objects were kept, and the events that grew by them."""

    snapshot_id: int
    outcome: str
    detections: int = 0
    event_ids: tuple[int, ...] = ()
    error: str | None = None
    retry_in_seconds: float | None = None


@register_result
@dataclass(slots=True, frozen=True)
class DetectionTurnResult:
    """What a worker's turn at the waiting snapshots made of them: how many came to which end."""

    outcomes: dict[str, int] = field(default_factory=dict)


class AnalysisOutcome(StrEnum):
    """What became of one question to an analyzer or an enrichment service."""

    DONE = "done"
    NOT_DUE = "not_due"
    LEASE_LOST = "lease_lost"
    POSTPONED = "postponed"
    FAILED = "failed"
    SKIPPED = "skipped"


@register_result
@dataclass(slots=True, frozen=True)
class AnalysisResult:
    """What the configured analyzer made of one closed event; without a score the built-in one stays."""

    event_id: int
    outcome: str
    score: int | None = None
    error: str | None = None


@register_result
@dataclass(slots=True, frozen=True)
class EnrichmentResult:
    """What one service said about one detection: the names of the attributes that were added."""

    enrichment_id: int
    outcome: str
    attributes: tuple[str, ...] = ()
    error: str | None = None


@register_result
@dataclass(slots=True, frozen=True)
class CloseResult:
    """Which idle events one run closed."""

    event_ids: tuple[int, ...] = ()


@register_result
@dataclass(slots=True, frozen=True)
class RetentionResult:
    """How much one run removed for its age."""

    snapshots: int = 0
    events: int = 0
    files: int = 0


@register_result
@dataclass(slots=True, frozen=True)
class RewriteResult:
    """How many events one run made findable by their camera's present name."""

    events: int = 0


class ExportOutcome(StrEnum):
    """What became of one slice of an export."""

    DONE = "done"
    GOES_ON = "goes_on"
    NOT_DUE = "not_due"
    LEASE_LOST = "lease_lost"
    POSTPONED = "postponed"
    FAILED = "failed"


@register_result
@dataclass(slots=True, frozen=True)
class ExportResult:
    """What one run wrote of an export; `rows`: in all so far."""

    export_id: int
    outcome: str
    rows: int = 0
    error: str | None = None


@register_result
@dataclass(slots=True, frozen=True)
class ExportRemovalResult:
    """How many exports went because their time was over."""

    removed: int = 0
