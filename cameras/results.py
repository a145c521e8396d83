"""What the cameras' services did, as values."""

import dataclasses
from enum import StrEnum

from siteadmin.core.results import register_result

WAITS_FOR_A_CAMERA = "The clip is large and waits in its folder until that is a camera's."
CAMERA_IS_DELETED = "The camera is deleted."


class IntakeOutcome(StrEnum):
    """What became of an upload."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """This very upload was taken before."""
    FAILED = "failed"
    """It is no whole picture; a snapshot says why, its file is kept aside."""
    UNDECIDED = "undecided"
    """It does not decode and may still be growing; nothing was done."""
    IGNORED = "ignored"
    """It stays where it is; the reason says why."""
    GONE = "gone"
    """It disappeared before it could be read."""
    UNASSIGNED = "unassigned"
    """It is no camera's and waits until somebody says whose it is."""


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class IntakeResult:
    """What became of one upload."""

    outcome: IntakeOutcome
    snapshot_id: int | None = None
    camera_id: str | None = None
    reason: str = ""

    @property
    def settled(self) -> bool:
        """Whether the upload is in the database, now or from before."""
        return self.outcome in (
            IntakeOutcome.STORED,
            IntakeOutcome.DUPLICATE,
            IntakeOutcome.FAILED,
            IntakeOutcome.UNASSIGNED,
        )


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class AdmitResult:
    """What became of an upload that had waited for a camera; `outcome` is empty where it was not its turn."""

    outcome: str = ""
    snapshot_id: int | None = None
    camera_id: str | None = None


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class ReleaseResult:
    """How many waiting uploads were found to have a camera now."""

    released: int = 0


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class SilenceResult:
    """How many cameras were found to have fallen silent."""

    went_offline: int = 0
