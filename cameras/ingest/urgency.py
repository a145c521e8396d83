"""How soon a picture is to be looked at. Pure."""

from datetime import datetime, timedelta

from cameras.choices import Trigger, Urgency


def judge_urgency(trigger: str, *, captured_at: datetime, arrived_at: datetime, late_after: timedelta) -> Urgency:
    """Say how urgent a picture is: what comes late waits for what is happening now, and a timer's for an alarm.

    Late is what arrived more than `late_after` after it was taken; 0: never.
    """
    if late_after and arrived_at - captured_at > late_after:
        return Urgency.LATE
    return Urgency.TIMER if trigger == Trigger.TIMER else Urgency.LIVE
