"""Words and numbers of cameras and snapshots."""

from datetime import timedelta

from django.db import models

DETECT_LEASE = timedelta(seconds=30)
"""How long one worker may take for one snapshot; what a killed worker held is taken up again after it."""
DETECT_SOFT_TIME_LIMIT, DETECT_TIME_LIMIT = 22, 26
"""Seconds after which a look that hangs is broken off, then its process killed; below the lease."""
DETECT_MAX_ATTEMPTS = 8
"""Tries before a snapshot ends as a dead letter; with backoff they span some ten minutes."""
DETECT_RETRY_BASE = timedelta(seconds=2)
DETECT_TURN = timedelta(seconds=2)
"""How long a worker goes on with waiting pictures before it lets other work have its turn.

With the longest time that a detector may take it stays below the step's time limit.
"""
DETECT_LOT_EVERY = 4
"""Each so many looks of a worker one is drawn by lot instead of by urgency, so that nothing waits for ever."""
SILENT_AFTER_SECONDS = 86_400
"""A camera that only uploads on alarm may well be silent for a day."""


class CameraStatus(models.TextChoices):
    """What a camera's pictures tell of it."""

    ONLINE = "online"
    OFFLINE = "offline"
    ERROR = "error"
    UNKNOWN = "unknown"


class TimerPictures(models.TextChoices):
    """What becomes of pictures that a timer took, not an alarm."""

    SKIP = "skip", "Keep, but do not look for people"
    DETECT = "detect", "Treat like alarm pictures"


class ZoneType(models.TextChoices):
    """What part of the scene a zone is."""

    ENTRY_POINT = "entry_point"
    DRIVEWAY = "driveway"
    SIDEWALK = "sidewalk"
    YARD = "yard"
    OTHER = "other"


class MediaType(models.TextChoices):
    """What was uploaded."""

    IMAGE = "image"
    VIDEO = "video"


class Trigger(models.TextChoices):
    """Why the camera took the picture, as far as its name says."""

    ALARM = "alarm"
    TIMER = "timer"
    MANUAL = "manual"
    UNKNOWN = "unknown"


class Urgency(models.IntegerChoices):
    """Which waiting pictures are looked at first: the highest, and of one urgency the newest."""

    LATE = 0
    """It came long after it was taken; nobody is told of it."""
    TIMER = 1
    LIVE = 2


class SnapshotState(models.TextChoices):
    """received -> detecting -> detected, or failed; skipped: kept without a look (a timer's picture)."""

    RECEIVED = "received"
    DETECTING = "detecting"
    DETECTED = "detected"
    FAILED = "failed"
    SKIPPED = "skipped"


WAITING_STATES = (SnapshotState.RECEIVED, SnapshotState.DETECTING)
