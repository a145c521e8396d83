"""Detectors for tests and benchmarks; the setting `DETECTOR` takes them by dotted path."""

import time
from collections.abc import Callable

from events.detectors.base import FoundObject, Picture


def found_person(
    confidence: float = 0.9, *, x: int = 100, y: int = 100, width: int = 50, height: int = 150
) -> FoundObject:
    """Give a person on a picture of 640x480."""
    return FoundObject(
        object_type="person",
        confidence=confidence,
        x=x,
        y=y,
        width=width,
        height=height,
        frame_width=640,
        frame_height=480,
    )


class InstantDetector:
    """Sees one person on every picture without looking, so that what is measured is all the rest."""

    name = "instant"

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Answer at once."""
        return [found_person()]


class SteadyDetector(InstantDetector):
    """Takes its time as a real one does, so that a drill finds pictures under way."""

    name = "steady"

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Answer after a tenth of a second."""
        time.sleep(0.1)
        return super().detect(picture)


class ScriptedDetector:
    """Answers what the test says: objects, an exception, or what a function makes of the picture."""

    name = "scripted"

    def __init__(self) -> None:
        self.answer: list[FoundObject] | Exception | Callable[[Picture], list[FoundObject]] = []
        self.seen: list[Picture] = []

    def detect(self, picture: Picture) -> list[FoundObject]:
        """Note the picture and answer."""
        self.seen.append(picture)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(picture) if callable(self.answer) else self.answer
