"""Looks at one snapshot and records what is on it: claimed, asked outside any transaction, recorded in one."""

import itertools
import time
import uuid
from collections import Counter
from datetime import timedelta

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.expressions import Combinable

from cameras.choices import (
    DETECT_LEASE,
    DETECT_LOT_EVERY,
    DETECT_MAX_ATTEMPTS,
    DETECT_RETRY_BASE,
    DETECT_TURN,
    MediaType,
    SnapshotState,
)
from cameras.ingest.clips import ClipTooSlowError
from cameras.ingest.clock import moment_in_clip
from cameras.models import Snapshot
from events.choices import BEFORE_WITHIN
from events.detectors import registry
from events.detectors.base import MOST_OBJECTS, FoundObject, Picture
from events.exceptions import DetectorAnswerError, PictureNotUsableError
from events.models import Detection
from events.results import DetectionOutcomeKind, DetectionRunResult, DetectionTurnResult
from events.services import zoning
from events.services.analysis import score_events
from events.services.clips import ClipLook, look_at_clip, offset_of
from events.services.enrichment import request_enrichments
from events.services.grouping import assign_to_events, lock_camera
from events.services.limits import what_counts
from events.services.still import part_still
from siteadmin.core import media
from siteadmin.core.breaker import CircuitBreaker
from siteadmin.core.clean import clean_json, clean_text
from siteadmin.core.correlation import caused_by
from siteadmin.core.exceptions import CircuitBreakerOpenError, DetectorUnavailableError, MediaNotFoundError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step, dispatch
from siteadmin.core.retry import backoff, bury, requeue

logger = structlog.get_logger(__name__)

TAKEN_UP_AT_ONCE = 500
"""Dead letters of an outage that are requeued with the first answer; the rest waits for a person."""
LONGEST_HOLD = timedelta(seconds=30)
"""How long a picture waits before it looks again whether the breaker lets it pass."""
_looks = itertools.count(1)
"""This process's looks, of which one in some goes by lot."""
_looks = itertools.count(1)
"""This process's looks, so that one in some goes by lot."""


def detect_waiting(hint: int) -> DetectionTurnResult:
    """Look at the snapshots that wait, the most urgent first, until none is due or the turn is over.

    `hint` is a snapshot that was seen to wait; who is looked at is decided at each look by what waits then, so that
    a picture just arrived is next however many came before it. One look in some goes by lot (`claim_next`).
    """
    outcomes: Counter[str] = Counter()
    ends = time.monotonic() + DETECT_TURN.total_seconds()
    while claimed := Snapshot.objects.claim_next(lease=DETECT_LEASE, by_lot=next(_looks) % DETECT_LOT_EVERY == 0):
        snapshot_id, token = claimed
        outcome = _look_at(snapshot_id, token=token).outcome
        outcomes[outcome] += 1
        if outcome == DetectionOutcomeKind.POSTPONED:
            break  # the detector is in trouble: what else waits is asked about at the sweeper's pace
        if time.monotonic() >= ends:
            dispatch(Step.DETECT, hint)
            break
    return DetectionTurnResult(outcomes=dict(outcomes))


def detect_snapshot(snapshot_id: int) -> DetectionRunResult:
    """Ask the detector about this waiting snapshot and record its detections, their events and scores.

    Safe to run any number of times at once: one run claims the snapshot, and one that lost its claim records nothing.
    """
    token = Snapshot.objects.claim(snapshot_id, lease=DETECT_LEASE, state=SnapshotState.DETECTING)
    if token is None:
        return DetectionRunResult(snapshot_id, DetectionOutcomeKind.NOT_DUE)
    return _look_at(snapshot_id, token=token)


def _look_at(snapshot_id: int, *, token: uuid.UUID) -> DetectionRunResult:
    """Look at a claimed snapshot, in the name of the request that brought it."""
    snapshot = Snapshot.objects.get_by_id(snapshot_id)
    if snapshot is None:
        return DetectionRunResult(snapshot_id, DetectionOutcomeKind.NOT_DUE)
    with caused_by(snapshot.request_id):
        return _look_and_record(snapshot, token=token)


def _look_and_record(snapshot: Snapshot, *, token: uuid.UUID) -> DetectionRunResult:
    if snapshot.attempts > DETECT_MAX_ATTEMPTS:
        # Attempts are counted at the claim: this one ended its worker every time, so it is not tried once more.
        return _give_up(snapshot, token=token, error=snapshot.error or "Every try ended without an answer")
    try:
        seen = _look(snapshot)
    except (PictureNotUsableError, DetectorAnswerError) as error:
        return _fail(snapshot, token=token, error=str(error))
    except CircuitBreakerOpenError as error:
        return _hold_back(snapshot, token=token, error=error)
    except (SoftTimeLimitExceeded, ClipTooSlowError):
        return _retry(snapshot, token=token, error="The detector took too long")
    except DetectorUnavailableError as error:
        return _retry(snapshot, token=token, error=str(error), is_outage=True)
    except (MediaNotFoundError, OSError) as error:
        return _retry(snapshot, token=token, error=str(error))
    return _record(snapshot, token=token, seen=seen)


def ask_detector(picture: Picture, *, detector_name: str = "") -> list[FoundObject]:
    """Give all that this detector (or the site's) sees on a picture, highest confidence first.

    PictureNotUsableError, DetectorAnswerError, DetectorUnavailableError, or CircuitBreakerOpenError after failures
    in a row. The first answer after these takes up again what the outage left as dead letters.
    """
    detector = registry.get_detector(detector_name)
    breaker = CircuitBreaker(f"detector:{detector.name}", counts=(DetectorUnavailableError, SoftTimeLimitExceeded))
    with breaker.guard() as call:
        found = detector.detect(picture)
    if call.is_probe:
        _take_up_again(detector_name or settings.DETECTOR)
    return found


def revive_snapshot(snapshot_id: int) -> bool:
    """Make a snapshot that failed for good wait for detection again; False where it did not fail."""
    return Snapshot.objects.wait_again(snapshot_id)


def _take_up_again(detector_name: str) -> None:
    """Requeue the snapshots that failed for good only because this detector was down."""
    letters = DeadLetter.objects.open_with(
        task=Step.DETECT.value, payload={"outage": detector_name}, limit=TAKEN_UP_AT_ONCE
    )
    taken = sum(requeue(letter) for letter in letters)
    if taken:
        logger.info("taken_up_again", detector=detector_name, snapshots=taken)


def _look(snapshot: Snapshot) -> ClipLook:
    """Give what counts on a picture or clip; raises what `ask_detector` raises, and what reading the file does."""
    notes: list[str] = []

    def look(picture: Picture) -> list[FoundObject]:
        found = ask_detector(picture, detector_name=snapshot.camera.detector)
        counting = what_counts(found, camera_id=snapshot.camera_id)
        if len(counting) > MOST_OBJECTS:
            notes.append(f"The detector gave {len(counting)} objects; the {MOST_OBJECTS} surest are kept")
        return counting[:MOST_OBJECTS]

    if snapshot.media_type == MediaType.VIDEO:
        seen = look_at_clip(snapshot, look=look)
    else:
        seen = ClipLook(found=look(_picture_of(snapshot)))
    seen.note = "; ".join(filter(None, [seen.note, *notes[:1]]))
    return seen


def _picture_of(snapshot: Snapshot) -> Picture:
    before = Snapshot.objects.picture_before(snapshot, within=BEFORE_WITHIN)
    with media.open_file(snapshot.file) as file:
        data = file.read()
    earlier = None
    if before is not None:
        try:
            with media.open_file(before.file) as file:
                earlier = file.read()
        except (MediaNotFoundError, OSError):
            logger.info("picture_before_unreadable", snapshot=snapshot.pk, before=before.pk)
    return Picture(data, before=earlier)


def _record(snapshot: Snapshot, *, token: uuid.UUID, seen: ClipLook) -> DetectionRunResult:
    zones = zoning.enabled_zones(snapshot.camera_id) if seen.found else []
    detections = [
        Detection(
            snapshot=snapshot,
            camera_id=snapshot.camera_id,
            object_type=one.object_type,
            confidence=one.confidence,
            x=one.x,
            y=one.y,
            width=one.width,
            height=one.height,
            frame_width=one.frame_width,
            frame_height=one.frame_height,
            zones=zoning.zones_of_box(zones, one),
            attributes=clean_json(dict(one.attributes)),
            detected_at=moment_in_clip(
                snapshot.captured_at, offset=_offset(snapshot, one), arrived_at=snapshot.received_at
            ),
        )
        for one in seen.found
    ]
    with transaction.atomic():
        if detections:
            lock_camera(snapshot.camera_id)
        if not Snapshot.objects.finish(
            snapshot.pk, token=token, state=SnapshotState.DETECTED, error=seen.note, frames=seen.frames
        ):
            return DetectionRunResult(snapshot.pk, DetectionOutcomeKind.LEASE_LOST)
        moving, still = part_still(snapshot, detections)
        Detection.objects.create_many(still)
        event_ids = assign_to_events(snapshot.camera_id, moving)
        score_events(event_ids)
        request_enrichments(moving)
        for event_id in event_ids:
            dispatch(Step.EVALUATE, event_id)
    return DetectionRunResult(
        snapshot.pk, DetectionOutcomeKind.DETECTED, detections=len(detections), event_ids=tuple(event_ids)
    )


def _offset(snapshot: Snapshot, one: FoundObject) -> float:
    """Give how far into a clip an object was seen; what a detector says of itself by that name counts nothing."""
    return (offset_of(one) or 0.0) if snapshot.media_type == MediaType.VIDEO else 0.0


def _retry(snapshot: Snapshot, *, token: uuid.UUID, error: str, is_outage: bool = False) -> DetectionRunResult:
    if snapshot.attempts >= DETECT_MAX_ATTEMPTS:
        return _give_up(snapshot, token=token, error=error, is_outage=is_outage)
    wait = backoff(snapshot.attempts, base=DETECT_RETRY_BASE)
    return _postpone(snapshot, token=token, wait=wait, error=error, attempts=snapshot.attempts)


def _hold_back(snapshot: Snapshot, *, token: uuid.UUID, error: CircuitBreakerOpenError) -> DetectionRunResult:
    """Wait until the breaker lets calls pass; nobody was asked, so it counts as no attempt."""
    # Spread over some time, so that not every waiting picture knocks at once.
    # A probe under way may take long or answer soon, and then nothing holds them back any more.
    wait = min(timedelta(seconds=error.retry_after or 1.0), LONGEST_HOLD) + backoff(1, base=DETECT_RETRY_BASE)
    return _postpone(snapshot, token=token, wait=wait, error=str(error), attempts=F("attempts") - 1)


def _postpone(
    snapshot: Snapshot, *, token: uuid.UUID, wait: timedelta, error: str, attempts: int | Combinable
) -> DetectionRunResult:
    kept = Snapshot.objects.postpone(
        snapshot.pk, token=token, wait=wait, state=SnapshotState.RECEIVED, error=clean_text(error), attempts=attempts
    )
    logger.warning("detection_postponed", snapshot=snapshot.pk, wait=wait.total_seconds(), error=error)
    return DetectionRunResult(
        snapshot.pk,
        DetectionOutcomeKind.POSTPONED if kept else DetectionOutcomeKind.LEASE_LOST,
        error=error,
        retry_in_seconds=wait.total_seconds() if kept else None,
    )


def _fail(snapshot: Snapshot, *, token: uuid.UUID, error: str) -> DetectionRunResult:
    failed = Snapshot.objects.finish(snapshot.pk, token=token, state=SnapshotState.FAILED, error=clean_text(error))
    outcome = DetectionOutcomeKind.FAILED if failed else DetectionOutcomeKind.LEASE_LOST
    return DetectionRunResult(snapshot.pk, outcome, error=error)


def _give_up(snapshot: Snapshot, *, token: uuid.UUID, error: str, is_outage: bool = False) -> DetectionRunResult:
    with transaction.atomic():
        result = _fail(snapshot, token=token, error=error)
        if result.outcome == DetectionOutcomeKind.FAILED:
            payload = {"camera": snapshot.camera_id, "name": snapshot.name}
            if is_outage:
                payload["outage"] = snapshot.camera.detector or settings.DETECTOR
            attempts = min(snapshot.attempts, DETECT_MAX_ATTEMPTS)
            bury(Step.DETECT, snapshot.pk, error=error, attempts=attempts, payload=payload)
    return result
