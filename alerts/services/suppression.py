"""Why an alert is recorded, but nobody is told."""

from collections.abc import Sequence
from datetime import timedelta

from alerts.rules import DetectionFacts


def suppression_reason(detections: Sequence[DetectionFacts], *, late_after: timedelta) -> str:
    """Give the reason to keep an alert back, "" where there is none.

    Late: each of the detections by which the rule holds arrived more than `late_after` after it was seen;
    0 means never late.
    """
    if not late_after or not detections:
        return ""
    shortest = min(detection.arrived_at - detection.detected_at for detection in detections)
    if shortest <= late_after:
        return ""
    return f"Late: seen {_words(shortest)} before it arrived, the limit is {_words(late_after)}"


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:g} seconds"
