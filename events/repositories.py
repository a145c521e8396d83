"""Reads and atomic writes of detections and events."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from cameras.choices import WAITING_STATES
from events.choices import GROUPING_LOCK, EventState, ScoredBy
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from events.models import Detection, Event

WAITS_AGAIN: dict[str, Any] = {"due_at": Now(), "attempts": 0, "claim_token": None, "swept_at": None}
"""What makes an event wait for the rules; an evaluation under way loses its claim, as it has not seen the change."""


class EventQuerySet(RepositoryQuerySet["Event"]):
    """Reads that chain."""

    def visible(self) -> Self:
        """Leave out events that were deleted or merged into another."""
        return self.filter(deleted_at=None, merged_into=None)

    def open(self) -> Self:
        """Keep what may still grow."""
        return self.filter(state=EventState.OPEN)

    def unreviewed(self) -> Self:
        """Keep what nobody has looked at."""
        return self.filter(reviewed=False)

    def of_level(self, risk_level: str) -> Self:
        """Keep what has this risk level."""
        return self.filter(risk_level=risk_level)

    def with_camera(self) -> Self:
        """Fetch the camera along."""
        return self.select_related("camera")

    def for_api(self) -> Self:
        """Give what people see: visible, of cameras that are not deleted, with the name of who reviewed it."""
        return self.visible().filter(camera__deleted_at=None).select_related("reviewed_by")

    def deleted_too(self) -> Self:
        """Give the same and what was deleted, which can be restored."""
        return self.filter(merged_into=None, camera__deleted_at=None).select_related("reviewed_by")

    def with_picture(self) -> Self:
        """Fetch what its picture is made of along."""
        return self.select_related("key_detection__snapshot")

    def touching(self, instant: datetime) -> Self:
        """Keep what began at this time or later, or was not over yet."""
        return self.filter(ended_at__gte=instant)


_EventRepository = ClaimableRepository.from_queryset(EventQuerySet)


class EventRepository(_EventRepository["Event"]):
    """Look-ups and writes of events."""

    def get_by_camera_id(self, camera_id: str) -> Sequence["Event"]:
        """Give a camera's events, newest first."""
        return list(self.visible().filter(camera_id=camera_id))

    def get_unreviewed(self) -> Sequence["Event"]:
        """Give the events that nobody has looked at, newest first."""
        return list(self.visible().filter(reviewed=False))

    def get_by_risk_level(self, risk_level: str) -> Sequence["Event"]:
        """Give the events of this level, newest first."""
        return list(self.visible().filter(risk_level=risk_level))

    def get_high_risk_events(self, threshold: int = 70) -> Sequence["Event"]:
        """Give the events with at least this score, newest first."""
        return list(self.visible().filter(risk_score__gte=threshold))

    def get_in_date_range(self, start: datetime, end: datetime) -> Sequence["Event"]:
        """Give the events that started in [start, end), newest first."""
        return list(self.visible().filter(started_at__gte=start, started_at__lt=end))

    def mark_reviewed(self, event_id: int, notes: str | None = None) -> "Event | None":
        """Note that somebody looked at the event (with these notes, where given); None where there is none."""
        changes = {"reviewed": True, "reviewed_at": Now(), "version": F("version") + 1}
        if notes is not None:
            changes["notes"] = notes
        self.visible().filter(pk=event_id).update(**changes)
        return self.get_by_id(event_id)

    def lock_visible(self, event_ids: Iterable[int], *, camera_ids: Iterable[str] | None = None) -> list[int]:
        """Lock those of the events that people see (of these cameras alone, where given) and give their ids."""
        rows = self.for_api().filter(pk__in=event_ids)
        if camera_ids is not None:
            rows = rows.filter(camera_id__in=camera_ids)
        # Always in the same order, so that two who lock the same events never wait for each other.
        return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))

    def change(
        self, event_ids: Iterable[int], *, changes: Mapping[str, Any], actor_id: int | None, version: int | None = None
    ) -> int:
        """Write what a person decided where it says anything new, by one statement; the number of changed events.

        `version`: only where nobody changed the event since. A new score is the person's, and the rules follow it.
        """
        if not changes:
            return 0
        news, fields = Q(), {**changes, "version": F("version") + 1}
        for name, value in changes.items():
            news |= ~Q(**{name: value})
        if "reviewed" in changes:
            # Who was first to say so stays, whatever else is changed along.
            same = Q(reviewed=changes["reviewed"])
            by, at = (actor_id, Now()) if changes["reviewed"] else (None, None)
            fields["reviewed_by"] = Case(When(same, then=F("reviewed_by")), default=Value(by))
            fields["reviewed_at"] = Case(When(same, then=F("reviewed_at")), default=at)
        if "risk_score" in changes:
            news |= ~Q(scored_by=ScoredBy.PERSON)
            fields |= {"scored_by": ScoredBy.PERSON, **WAITS_AGAIN}
        rows = self.visible().filter(news, pk__in=event_ids)
        return (rows if version is None else rows.filter(version=version)).update(**fields)

    def mark_deleted(self, event_ids: Iterable[int], *, version: int | None = None) -> int:
        """Hide the events, and give how many were seen until now."""
        rows = self.visible().filter(pk__in=event_ids)
        rows = rows if version is None else rows.filter(version=version)
        return rows.update(deleted_at=Now(), version=F("version") + 1)

    def unmark_deleted(self, event_id: int) -> bool:
        """Show a deleted event again, and let the rules see it; False where it is not deleted."""
        rows = self.filter(pk=event_id, deleted_at__isnull=False, merged_into=None)
        return bool(rows.update(deleted_at=None, version=F("version") + 1, **WAITS_AGAIN))

    def lock_grouping(self, camera_id: str) -> None:
        """Let nobody else group this camera's detections until the transaction ends."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [GROUPING_LOCK, camera_id])

    def lock_near(
        self, camera_id: str, *, first: datetime, last: datetime, window: timedelta, idle: timedelta
    ) -> list[tuple[int, datetime, datetime]]:
        """Give id, start and end of the events that times from `first` to `last` may join, and lock their rows."""
        near: dict[str, Any] = {"camera": camera_id, "first": first, "last": last, "window": window, "idle": idle}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                SELECT id, started_at, ended_at FROM events_event
                WHERE camera_id = %(camera)s AND deleted_at IS NULL AND merged_into_id IS NULL
                  AND started_at BETWEEN %(first)s::timestamptz - %(window)s AND %(last)s::timestamptz + %(idle)s
                  AND ended_at >= %(first)s::timestamptz - %(idle)s
                ORDER BY id FOR NO KEY UPDATE
                """,
                near,
            )
            return list(cursor.fetchall())

    def open_many(self, camera_id: str, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
        """Insert an open event for each start and end, and give their ids in this order."""
        events = [
            self.model(camera_id=camera_id, started_at=start, ended_at=end, last_arrival_at=Now())
            for start, end in spans
        ]
        return [event.pk for event in self.create_many(events)]

    def merge_into(self, kept_of: Mapping[int, int]) -> None:
        """Move all that belongs to each event into the one that is kept; what people did to either stays.

        A person's score wins over a computed one. The alerts follow when the rules are judged for the kept one.
        """
        if not kept_of:
            return
        pairs = {"gone": list(kept_of), "kept": list(kept_of.values())}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                UPDATE events_detection d SET event_id = pair.kept
                FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
                WHERE d.event_id = pair.gone
                """,
                pairs,
            )
            cursor.execute(
                """
                UPDATE events_event kept SET
                    reviewed = kept.reviewed OR gone.reviewed,
                    reviewed_at = COALESCE(kept.reviewed_at, gone.reviewed_at),
                    reviewed_by_id = CASE WHEN kept.reviewed THEN kept.reviewed_by_id ELSE gone.reviewed_by_id END,
                    kept = kept.kept OR gone.kept,
                    notes = concat_ws(E'\n\n', NULLIF(kept.notes, ''), NULLIF(gone.notes, '')),
                    risk_score = CASE WHEN kept.scored_by <> 'person' AND gone.person_score IS NOT NULL
                                      THEN gone.person_score ELSE kept.risk_score END,
                    reasoning = CASE WHEN kept.scored_by <> 'person' AND gone.person_score IS NOT NULL
                                     THEN gone.person_reasoning ELSE kept.reasoning END,
                    scored_by = CASE WHEN gone.person_score IS NOT NULL THEN 'person' ELSE kept.scored_by END,
                    version = kept.version + gone.changes
                FROM (
                    SELECT pair.kept AS id, bool_or(e.reviewed) AS reviewed, min(e.reviewed_at) AS reviewed_at,
                           min(e.reviewed_by_id) AS reviewed_by_id, bool_or(e.kept) AS kept,
                           string_agg(NULLIF(e.notes, ''), E'\n\n' ORDER BY e.started_at, e.id) AS notes,
                           max(e.risk_score) FILTER (WHERE e.scored_by = 'person') AS person_score,
                           max(e.reasoning) FILTER (WHERE e.scored_by = 'person') AS person_reasoning,
                           sum(e.version - 1) AS changes
                    FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
                    JOIN events_event e ON e.id = pair.gone
                    GROUP BY pair.kept
                ) AS gone
                WHERE kept.id = gone.id
                """,
                pairs,
            )
            cursor.execute(
                """
                UPDATE events_event e SET merged_into_id = pair.kept, state = 'closed', due_at = NULL,
                                          claim_token = NULL, swept_at = NULL
                FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
                WHERE e.id = pair.gone OR e.merged_into_id = pair.gone
                """,
                pairs,
            )

    def refresh(self, event_ids: Sequence[int]) -> None:
        """Tell the events anew from their detections, which grew just now; they are open and wait for the rules."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                UPDATE events_event e SET
                    started_at = facts.started_at, ended_at = facts.ended_at,
                    detection_count = facts.detection_count, key_detection_id = facts.key_detection_id,
                    object_types = ARRAY(
                        SELECT d.object_type FROM events_detection d WHERE d.event_id = facts.event_id
                        GROUP BY d.object_type ORDER BY count(*) DESC, min(d.detected_at), d.object_type
                    ),
                    zones = ARRAY(
                        SELECT DISTINCT zone FROM events_detection d, unnest(d.zones) AS zone
                        WHERE d.event_id = facts.event_id ORDER BY zone
                    ),
                    last_arrival_at = GREATEST(e.last_arrival_at, clock_timestamp()), state = 'open',
                    -- An evaluation under way has not seen the growth: it loses its claim, and another follows.
                    due_at = clock_timestamp(), attempts = 0, claim_token = NULL, swept_at = NULL
                FROM (
                    SELECT event_id, min(detected_at) AS started_at, max(detected_at) AS ended_at,
                           count(*) AS detection_count,
                           (array_agg(id ORDER BY snapshot_id IS NULL, confidence DESC, id))[1] AS key_detection_id
                    FROM events_detection WHERE event_id = ANY(%(ids)s::bigint[]) GROUP BY event_id
                ) AS facts
                WHERE e.id = facts.event_id
                """,
                {"ids": list(event_ids)},
            )

    def close_idle(self, *, idle: timedelta, limit: int) -> list[int]:
        """Close up to `limit` events that nothing joined for so long, of cameras without waiting pictures; their ids.

        One statement, so that growth and closing never miss each other; what another transaction holds is left
        for the next time.
        """
        waiting = [state.value for state in WAITING_STATES]
        which: dict[str, Any] = {"idle": idle, "limit": limit, "waiting": waiting}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH idle AS (
                    SELECT e.id FROM events_event e
                    WHERE e.state = 'open' AND e.deleted_at IS NULL AND e.merged_into_id IS NULL
                      AND e.last_arrival_at <= statement_timestamp() - %(idle)s
                      AND NOT EXISTS (SELECT FROM cameras_snapshot s WHERE s.camera_id = e.camera_id
                                      AND s.state = ANY(%(waiting)s))
                    ORDER BY e.last_arrival_at LIMIT %(limit)s FOR NO KEY UPDATE OF e SKIP LOCKED
                )
                UPDATE events_event e SET state = 'closed', due_at = clock_timestamp(), attempts = 0,
                                          claim_token = NULL, swept_at = NULL
                FROM idle WHERE e.id = idle.id RETURNING e.id
                """,
                which,
            )
            return sorted(row[0] for row in cursor.fetchall())

    def get_facts(self, event_ids: Sequence[int], *, lookback: timedelta) -> list[dict[str, Any]]:
        """Give what scoring needs of each event: camera, start, zones, objects by type, earlier events of the camera.

        An object's `at_once` is the highest number of its type on one picture; `most_at_once` that of all types.
        """
        which: dict[str, Any] = {"ids": list(event_ids), "lookback": lookback}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                WITH sighting AS (
                    SELECT event_id, detected_at, object_type, count(*) AS number, max(confidence) AS confidence
                    FROM events_detection WHERE event_id = ANY(%(ids)s::bigint[])
                    GROUP BY event_id, detected_at, object_type
                )
                SELECT e.id, c.name AS camera_name, c.timezone, e.started_at, e.zones,
                    (SELECT jsonb_agg(jsonb_build_array(kind.object_type, kind.confidence, kind.at_once))
                     FROM (SELECT object_type, max(confidence) AS confidence, max(number) AS at_once
                           FROM sighting WHERE event_id = e.id GROUP BY object_type ORDER BY object_type) AS kind
                    ) AS objects,
                    (SELECT max(together.number)
                     FROM (SELECT sum(number)::int AS number FROM sighting WHERE event_id = e.id GROUP BY detected_at)
                          AS together
                    ) AS most_at_once,
                    (SELECT count(*) FROM events_event b
                     WHERE b.camera_id = e.camera_id AND b.deleted_at IS NULL AND b.merged_into_id IS NULL
                       AND b.started_at >= e.started_at - %(lookback)s AND b.started_at < e.started_at
                    ) AS earlier_events
                FROM events_event e JOIN cameras_camera c ON c.id = e.camera_id
                WHERE e.id = ANY(%(ids)s::bigint[]) ORDER BY e.id
                """,
                which,
            )
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        # Django leaves JSON of a bare cursor as text.
        return [{**row, "objects": json.loads(row["objects"])} for row in rows]

    def write_scores(self, scores: Sequence[tuple[int, int, str, str]], *, scored_by: str) -> None:
        """Write id, score, summary and reasoning of each event; where a person scored, the summary alone."""
        ids, values, summaries, reasonings = ([row[i] for row in scores] for i in range(4))
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                UPDATE events_event e SET
                    summary = new.summary,
                    risk_score = CASE WHEN e.scored_by = 'person' THEN e.risk_score ELSE new.score END,
                    reasoning = CASE WHEN e.scored_by = 'person' THEN e.reasoning ELSE new.reasoning END,
                    scored_by = CASE WHEN e.scored_by = 'person' THEN e.scored_by ELSE %(by)s END
                FROM unnest(%(ids)s::bigint[], %(scores)s::int[], %(summaries)s::text[], %(reasonings)s::text[])
                     AS new(id, score, summary, reasoning)
                WHERE e.id = new.id
                """,
                {"ids": ids, "scores": values, "summaries": summaries, "reasonings": reasonings, "by": scored_by},
            )


class DetectionQuerySet(RepositoryQuerySet["Detection"]):
    """Reads that chain."""

    def for_api(self) -> Self:
        """Leave out what belongs to a deleted event or camera."""
        return self.filter(Q(event=None) | Q(event__deleted_at=None), camera__deleted_at=None)

    def of_event(self, event_id: int) -> Self:
        """Give an event's detections, first come first."""
        return self.filter(event_id=event_id).order_by("detected_at", "id")

    def of_snapshot(self, snapshot_id: int) -> Self:
        """Give what was seen on one picture, what is surest first."""
        return self.filter(snapshot_id=snapshot_id).order_by("-confidence", "id")

    def with_snapshot(self) -> Self:
        """Fetch the picture along."""
        return self.select_related("snapshot")


_DetectionRepository = Repository.from_queryset(DetectionQuerySet)


class DetectionRepository(_DetectionRepository["Detection"]):
    """Look-ups and writes of detections."""

    def get_by_external_ids(self, camera_id: str, external_ids: Sequence[str]) -> dict[str, "Detection"]:
        """Give the camera's detections that have these external ids, by these."""
        found = self.get_queryset().filter(camera_id=camera_id, external_id__in=external_ids).exclude(external_id="")
        return {detection.external_id: detection for detection in found}
