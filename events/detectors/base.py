"""What a detector is: it looks at one picture and says which objects are on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LEAST_CONFIDENCE = 0.05
"""What is less sure is no object to any detector; thresholds below count as this."""
MOST_OBJECTS = 300
"""Objects that one picture may have; of more, the surest are taken."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture, and the one its camera took shortly before, where there is one of the same size."""

    data: bytes
    before: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """One object; its box is in pixels of the frame from the top left corner, upright as a viewer shows it."""

    object_type: str
    confidence: float
    x: int
    y: int
    width: int
    height: int
    frame_width: int
    frame_height: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Detector(Protocol):
    """A detector; asking it changes nothing, so it may be asked twice.

    Every object it is at all sure of is given, highest confidence first; who asks applies the threshold.
    """

    name: str

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Look at one picture.

        DetectorUnavailableError where another try may work; PictureNotUsableError or DetectorAnswerError where
        none will.
        """
