"""Reads and atomic writes of detections and events."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self

from django.contrib.postgres.search import SearchQuery
from django.db import connections, transaction
from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    Expression,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Now, TruncTime

from cameras.choices import WAITING_STATES
from cameras.queries import of_active_cameras
from events import sql
from events.choices import GROUPING_LOCK, LONGEST_QUERY, EventState, ScoredBy
from events.history_repositories import EventHistory
from events.report_repositories import EventReports
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

    def of_camera(self, camera_id: str) -> Self:
        """Events of one camera."""
        return self.filter(camera_id=camera_id)

    def of_cameras(self, camera_ids: Iterable[str]) -> Self:
        """Events of these cameras."""
        return self.filter(camera_id__in=list(camera_ids))

    def unreviewed(self) -> Self:
        """Keep what nobody has looked at."""
        return self.filter(reviewed=False)

    def of_level(self, risk_level: str) -> Self:
        """Keep what has this risk level."""
        return self.filter(risk_level=risk_level)

    def matching(self, text: str | Expression) -> Self:
        """Keep what a web-style search finds: words, "a phrase", or, -not; any text is one, and blanks find all.

        Words that say nothing, such as "the", find nothing alone.
        """
        words = text.replace("\x00", " ").strip()[:LONGEST_QUERY] if isinstance(text, str) else text
        return self.filter(search=SearchQuery(words, config="english", search_type="websearch")) if words else self

    def going_on_from(self, moment: datetime) -> Self:
        """Keep what ended at this time or later.

        None began longer before than the longest event lasted, which an index knows: the walk ends there.
        """
        lasted = self.model._default_manager.visible().annotate(lasted=F("ended_at") - F("started_at"))
        longest = Subquery(lasted.order_by("-lasted").values("lasted")[:1])
        start = ExpressionWrapper(Value(moment, DateTimeField()) - longest, output_field=DateTimeField())
        return self.filter(ended_at__gte=moment, started_at__gte=start)

    def in_time_of_day(self, start: time, end: time, *, zone: tzinfo) -> Self:
        """Keep what began in [start, end) by a wall clock of this zone; an end before the start is the next day's.

        Midnight as the end is the day's own; the hour that the clock shows twice counts twice.
        """
        rows = self.alias(clock=TruncTime("started_at", tzinfo=zone))
        after, before = Q(clock__gte=start), Q(clock__lt=end)
        if end == time():
            return rows.filter(after)
        return rows.filter(after & before if start < end else after | before)

    def with_camera(self) -> Self:
        """Fetch the camera along."""
        return self.select_related("camera")

    def for_api(self) -> Self:
        """Give what people see: visible, of cameras that are not deleted."""
        return of_active_cameras(self.visible()).select_related("analysis__prompt_version")

    def deleted_too(self) -> Self:
        """Give the same and what was deleted, which can be restored."""
        return of_active_cameras(self.filter(merged_into=None)).select_related("analysis__prompt_version")

    def with_feedback(self) -> Self:
        """Fetch what a person said of it along."""
        return self.select_related("feedback")

    def with_picture(self) -> Self:
        """Fetch what its picture is made of along."""
        return self.select_related("key_detection__snapshot")


_EventRepository = ClaimableRepository.from_queryset(EventQuerySet)


class EventRepository(EventHistory, EventReports, _EventRepository["Event"]):
    """Look-ups and writes of events."""

    def get_queryset(self) -> EventQuerySet:
        """Give all events, without the words that only the database reads."""
        rows: Any = super().get_queryset()
        events: EventQuerySet = rows.defer("search")
        return events

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
        with transaction.atomic(using=self.db):
            if self.visible().filter(pk=event_id).update(**changes) and notes is not None:
                self.write_search([event_id])
        return self.get_by_id(event_id)

    def get_visible(self, event_id: int) -> "Event | None":
        """Give the event where people see it."""
        return self.for_api().filter(pk=event_id).first()

    def for_preview(
        self,
        event_ids: Iterable[int] | None,
        *,
        since: datetime | None,
        camera_ids: Iterable[str] | None,
        limit: int,
    ) -> list["Event"]:
        """Give up to `limit` of these events, or of those since then, that people see; newest first."""
        rows = of_active_cameras(self.visible())
        rows = rows if event_ids is None else rows.filter(pk__in=list(event_ids))
        rows = rows if since is None else rows.filter(started_at__gte=since)
        rows = rows if camera_ids is None else rows.filter(camera_id__in=list(camera_ids))
        return list(rows.order_by("-started_at", "-pk")[:limit])

    def lock_visible(self, event_ids: Iterable[int], *, camera_ids: Iterable[str] | None = None) -> list[int]:
        """Lock those of the events that people see (of these cameras alone, where given) and give their ids."""
        rows = self.for_api().filter(pk__in=event_ids)
        if camera_ids is not None:
            rows = rows.filter(camera_id__in=camera_ids)
        # Always in the same order, so that two who lock the same events never wait for each other.
        return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))

    def change(
        self, event_ids: Iterable[int], *, changes: Mapping[str, Any], by: str, version: int | None = None
    ) -> int:
        """Write what a person decided where it says anything new, by one statement; the number of changed events.

        Notes are searched, so that a second statement writes the events' words: when it reads the camera's name, the
        first holds the rows.
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
            reviewer, at = (by, Now()) if changes["reviewed"] else ("", None)
            fields["reviewed_by"] = Case(When(same, then=F("reviewed_by")), default=Value(reviewer))
            fields["reviewed_at"] = Case(When(same, then=F("reviewed_at")), default=at)
        if "risk_score" in changes:
            news |= ~Q(scored_by=ScoredBy.PERSON)
            fields |= {"scored_by": ScoredBy.PERSON, **WAITS_AGAIN}
        ids = list(event_ids)
        rows = self.visible().filter(news, pk__in=ids)
        changed = (rows if version is None else rows.filter(version=version)).update(**fields)
        if changed and "notes" in changes:
            self.write_search(ids)
        return changed

    def next_of_camera(self, camera_id: str, *, after: int, limit: int) -> list[int]:
        """Lock the next of a camera's events, hidden ones too, by ascending id, and give their ids."""
        rows = self.filter(camera_id=camera_id, pk__gt=after).order_by("pk")
        return list(rows.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True)[:limit])

    def write_search(self, event_ids: Sequence[int]) -> None:
        """Write anew by which words these events are found."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.WRITE_SEARCH, {"ids": list(event_ids)})

    def mark_deleted(self, event_ids: Iterable[int], *, version: int | None = None) -> int:
        """Hide the events, and give how many were seen until now."""
        rows = self.visible().filter(pk__in=event_ids)
        rows = rows if version is None else rows.filter(version=version)
        return rows.update(deleted_at=Now(), version=F("version") + 1)

    def unmark_deleted(self, event_id: int) -> bool:
        """Show a deleted event again, and let the rules see it; False where it is not deleted."""
        rows = self.filter(pk=event_id, deleted_at__isnull=False, merged_into=None)
        return bool(rows.update(deleted_at=None, version=F("version") + 1, **WAITS_AGAIN))

    def hold(self, event_id: int, *, token: uuid.UUID) -> "Event | None":
        """Lock a claimed event for the caller's transaction and give it; None where the claim is lost."""
        claimed = self.get_queryset().filter(pk=event_id, claim_token=token)
        return claimed.select_for_update(of=("self",), no_key=True).first()

    def wait_again(self, event_id: int) -> bool:
        """Make an event wait for the rules again; False where there is none to be seen."""
        return bool(self.visible().filter(pk=event_id).update(**WAITS_AGAIN))

    def lock_closed(self, event_id: int) -> bool:
        """Lock an event for the caller's transaction; False where it is open again or no longer to be seen."""
        rows = self.visible().filter(pk=event_id, state=EventState.CLOSED)
        return bool(rows.select_for_update(no_key=True).values_list("pk", flat=True))

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
            cursor.execute(sql.LOCK_NEAR, near)
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
            cursor.execute(sql.MOVE_DETECTIONS, pairs)
            cursor.execute(sql.CARRY_OVER, pairs)
            cursor.execute(sql.MOVE_FEEDBACK, pairs)
            cursor.execute(sql.MARK_MERGED, pairs)

    def refresh(self, event_ids: Sequence[int]) -> None:
        """Tell the events anew from their detections, which grew just now; they are open and wait for the rules."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.REFRESH, {"ids": list(event_ids)})

    def close_idle(self, *, idle: timedelta, limit: int) -> list[int]:
        """Close up to `limit` events that nothing joined for so long, of cameras without waiting pictures; their ids.

        One statement, so that growth and closing never miss each other; what another transaction holds is left
        for the next time.
        """
        waiting = [state.value for state in WAITING_STATES]
        which: dict[str, Any] = {"idle": idle, "limit": limit, "waiting": waiting}
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.CLOSE_IDLE, which)
            return sorted(row[0] for row in cursor.fetchall())

    def get_facts(self, event_ids: Sequence[int], *, lookback: timedelta) -> list[dict[str, Any]]:
        """Give what scoring needs of each event: camera, start, zones, objects by type, earlier events of the camera.

        Events without detections are left out.
        An object's `at_once` is the highest number of its type on one picture; `most_at_once` that of all types.
        """
        which: dict[str, Any] = {"ids": list(event_ids), "lookback": lookback}
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql.FACTS, which)
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        # Django leaves JSON of a bare cursor as text.
        return [{**row, "objects": json.loads(row["objects"])} for row in rows if row["objects"]]

    def write_scores(self, scores: Sequence[tuple[int, int, str, str]], *, scored_by: str) -> None:
        """Write id, score, summary and reasoning of each event; where a person scored, the summary alone.

        The words by which they are found follow.
        """
        ids, values, summaries, reasonings = ([row[i] for row in scores] for i in range(4))
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                sql.WRITE_SCORES,
                {"ids": ids, "scores": values, "summaries": summaries, "reasonings": reasonings, "by": scored_by},
            )

    def remove_old(self, camera_id: str, *, before: datetime, limit: int) -> int:
        """Delete up to `limit` of a camera's events whose newest detection arrived before then, kept ones excepted.

        Their detections go along, and what was merged into them. Inside the caller's transaction.
        """
        old = self.filter(camera_id=camera_id, last_arrival_at__lt=before, kept=False, merged_into=None)
        locked = old.order_by("last_arrival_at").select_for_update(skip_locked=True, of=("self",))
        ids = list(locked.values_list("pk", flat=True)[:limit])
        self.filter(pk__in=ids).delete()
        return len(ids)


class DetectionQuerySet(RepositoryQuerySet["Detection"]):
    """Reads that chain."""

    def for_api(self) -> Self:
        """Leave out what belongs to a deleted event or camera."""
        return of_active_cameras(self.filter(Q(event=None) | Q(event__deleted_at=None)))

    def of_event(self, event_id: int) -> Self:
        """Give an event's detections, first come first."""
        return self.filter(event_id=event_id).order_by("detected_at", "id")

    def of_snapshot(self, snapshot_id: int) -> Self:
        """Give what was seen on one picture, what is surest first."""
        return self.filter(snapshot_id=snapshot_id).order_by("-confidence", "id")

    def with_pictures_of(self, event_id: int) -> Self:
        """Give an event's detections that have a stored picture, what is surest first, with it."""
        shown = self.filter(event_id=event_id, snapshot__isnull=False).exclude(snapshot__file="")
        return shown.select_related("snapshot").order_by("-confidence", "id")

    def with_snapshot(self) -> Self:
        """Fetch the picture along."""
        return self.select_related("snapshot")


_DetectionRepository = Repository.from_queryset(DetectionQuerySet)


class DetectionRepository(_DetectionRepository["Detection"]):
    """Look-ups and writes of detections."""

    def facts_of(self, event_ids: Sequence[int]) -> Iterable[tuple[Any, ...]]:
        """Give event, id, type, confidence, zones, time and arrival of what these events are made of."""
        rows = self.get_queryset().filter(event_id__in=event_ids).order_by("detected_at", "id")
        fields = ("event_id", "id", "object_type", "confidence", "zones", "detected_at", "created_at")
        return rows.values_list(*fields)

    def on_snapshot(self) -> Exists:
        """Give the condition that a snapshot of the outer query has detections of an event."""
        return Exists(self.filter(snapshot_id=OuterRef("pk"), event__isnull=False))

    def of_types_on(self, snapshot_ids: Sequence[int], object_types: Iterable[str]) -> list["Detection"]:
        """Give what of these types was seen on these pictures."""
        return list(self.filter(snapshot_id__in=snapshot_ids, object_type__in=list(object_types)))

    def attributes_in(self, event_id: int, *, limit: int) -> list[dict[str, Any]]:
        """Give what is known of an event's objects beside their type, the surest first."""
        known = self.filter(event_id=event_id).exclude(attributes={}).order_by("-confidence", "id")
        return list(known.values_list("attributes", flat=True)[:limit])

    def get_by_external_ids(self, camera_id: str, external_ids: Sequence[str]) -> dict[str, "Detection"]:
        """Give the camera's detections that have these external ids, by these."""
        found = self.get_queryset().filter(camera_id=camera_id, external_id__in=external_ids).exclude(external_id="")
        return {detection.external_id: detection for detection in found}
