"""What was seen: detections, grouped into events with a risk score."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now

from cameras.models import Camera, Snapshot
from events.analysis_repositories import AnalysisRepository, EnrichmentRepository, PromptVersionRepository
from events.choices import (
    CRITICAL_FROM,
    HIGH_FROM,
    MEDIUM_FROM,
    EventState,
    RiskLevel,
    ScoredBy,
    Verdict,
    WorkState,
)
from events.export_repositories import ExportRepository
from events.feedback_repositories import FeedbackRepository
from events.repositories import DetectionRepository, EventRepository
from events.search_repositories import CameraSearchRepository
from siteadmin.core.claims import Claimable
from siteadmin.core.exporting import ExportFormat
from siteadmin.core.versions import Versioned

VISIBLE = Q(deleted_at=None, merged_into=None)
"""Events that lists show: neither deleted nor merged into another."""


class Event(Claimable, Versioned):
    """Detections of one camera that belong together; it waits for the rules while `due_at` is set.

    open -> closed; `version` counts people's changes alone.
    """

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="events")
    started_at = models.DateTimeField(help_text="Its first detection's time.")
    ended_at = models.DateTimeField(help_text="Its newest detection's time, while it is open too.")
    last_arrival_at = models.DateTimeField(help_text="When its newest detection arrived; closing counts from there.")
    state = models.CharField(max_length=8, choices=EventState.choices, default=EventState.OPEN)

    risk_score = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    risk_level = models.GeneratedField(
        expression=Case(
            When(risk_score__gte=CRITICAL_FROM, then=Value(RiskLevel.CRITICAL.value)),
            When(risk_score__gte=HIGH_FROM, then=Value(RiskLevel.HIGH.value)),
            When(risk_score__gte=MEDIUM_FROM, then=Value(RiskLevel.MEDIUM.value)),
            When(risk_score__gte=0, then=Value(RiskLevel.LOW.value)),
        ),
        output_field=models.CharField(max_length=8, null=True, choices=RiskLevel.choices),
        db_persist=True,
    )
    scored_by = models.CharField(max_length=8, choices=ScoredBy.choices, default=ScoredBy.NOBODY, blank=True)
    summary = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)

    object_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    zones = ArrayField(models.BigIntegerField(), default=list, blank=True, help_text="Ids of zones entered.")
    detection_count = models.PositiveIntegerField(default=0)
    key_detection = models.ForeignKey(
        "Detection",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The one to show.",
    )

    reviewed = models.BooleanField(default=False)
    reviewed_by = models.CharField(max_length=200, blank=True, help_text="A user's name, or key:NAME.")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    notes = models.TextField(blank=True)
    kept = models.BooleanField(default=False, help_text="Never removed by retention.")

    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="merged")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    search = SearchVectorField(
        null=True, editable=False, help_text="Its words, written with them by the statements that change them."
    )

    objects: ClassVar[EventRepository] = EventRepository()

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(risk_score=None) | Q(risk_score__lte=100), name="event_score_0_100"),
            models.CheckConstraint(condition=Q(ended_at__gte=models.F("started_at")), name="event_ends_after_start"),
        ]
        indexes = [
            models.Index(fields=["-started_at", "-id"], condition=VISIBLE, name="event_newest"),
            # Grouping looks for a camera's events near a time; lists filter by camera.
            models.Index(fields=["camera", "-started_at", "-id"], condition=VISIBLE, name="event_camera_newest"),
            # The work to do: lists and counts of what nobody has looked at.
            models.Index(
                fields=["risk_level", "-started_at", "-id"],
                condition=VISIBLE & Q(reviewed=False),
                name="event_unreviewed",
            ),
            models.Index(fields=["risk_level", "-started_at", "-id"], condition=VISIBLE, name="event_level_newest"),
            models.Index(
                fields=["camera", "risk_level", "-started_at", "-id"],
                condition=VISIBLE,
                name="event_camera_level",
            ),
            # Few are, and lists of them must not walk through all others.
            models.Index(fields=["-started_at", "-id"], condition=VISIBLE & Q(kept=True), name="event_kept_newest"),
            # The longest one: how far back something still going on can have begun.
            models.Index(models.F("ended_at") - models.F("started_at"), condition=VISIBLE, name="event_lasted"),
            # Lists by score.
            models.Index(
                models.F("risk_score").desc(nulls_last=True),
                models.F("id").desc(),
                condition=VISIBLE,
                name="event_riskiest",
            ),
            # Closing looks at open events alone.
            models.Index(fields=["last_arrival_at"], condition=VISIBLE & Q(state=EventState.OPEN), name="event_open"),
            # Retention walks by a camera's arrivals.
            models.Index(fields=["camera", "last_arrival_at"], name="event_arrival"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="event_due"),
            GinIndex(fields=["object_types"], name="event_object_types", fastupdate=False),
            GinIndex(fields=["zones"], name="event_zones", fastupdate=False),
            # Read steadily, without a list of pending words to walk first.
            GinIndex(fields=["search"], name="event_search", fastupdate=False),
            # Counts by day and level read nothing but this.
            models.Index(
                fields=["started_at"],
                include=["risk_level", "reviewed", "camera"],
                condition=VISIBLE,
                name="event_counts",
            ),
        ]

    def __str__(self) -> str:
        return self.summary or f"Event {self.pk}"


class Detection(models.Model):
    """One object on one snapshot; the box is in pixels of its frame, from the top left corner."""

    camera_path: ClassVar = "camera_id"

    snapshot = models.ForeignKey(Snapshot, null=True, blank=True, on_delete=models.CASCADE, related_name="detections")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="detections")
    event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.CASCADE, related_name="detections")
    external_id = models.CharField(
        max_length=200, blank=True, help_text="Id given by an external detector; the same again adds nothing."
    )

    object_type = models.CharField(max_length=64)
    confidence = models.FloatField(validators=[MinValueValidator(0), MaxValueValidator(1)])
    x = models.PositiveIntegerField()
    y = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    frame_width = models.PositiveIntegerField()
    frame_height = models.PositiveIntegerField()
    zones = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        help_text="Ids of zones that hold the box's bottom centre.",
    )
    attributes = models.JSONField(default=dict, blank=True)

    detected_at = models.DateTimeField(help_text="The camera's own time of the picture.")
    created_at = models.DateTimeField(db_default=Now(), editable=False, help_text="When it arrived.")

    objects: ClassVar[DetectionRepository] = DetectionRepository()

    class Meta:
        ordering = ["-detected_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["camera", "external_id"], condition=~Q(external_id=""), name="detection_external_id"
            ),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=1), name="detection_confidence_0_1"),
        ]
        indexes = [
            models.Index(fields=["-detected_at", "-id"], name="detection_newest"),
            models.Index(fields=["camera", "-detected_at", "-id"], name="detection_camera_newest"),
            models.Index(fields=["event", "detected_at", "id"], name="detection_of_event"),
            models.Index(fields=["object_type", "-detected_at", "-id"], name="detection_type_newest"),
            GinIndex(fields=["zones"], name="detection_zones", fastupdate=False),
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.confidence:.2f}"

    @property
    def told_by_services(self) -> list[str]:
        """What services know of it, a text for each: `plate: plate AB 123, confidence 0.97`."""
        known = ((name, value) for name, value in self.attributes.items() if isinstance(value, dict) and value)
        return [f"{name}: " + ", ".join(f"{key} {told}" for key, told in value.items()) for name, value in known]


class EventFeedback(Versioned):
    """What a person says of an event's judgement; one an event."""

    camera_path: ClassVar = "event__camera_id"

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="feedback")
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    expected_level = models.CharField(  # noqa: DJ001 - null where there is none, as an event's level
        max_length=8,
        choices=RiskLevel.choices,
        null=True,
        blank=True,
        help_text="With a wrong severity: the level it should have had.",
    )
    given_by = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[FeedbackRepository] = FeedbackRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "event feedback"
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict=Verdict.SEVERITY_WRONG) & Q(expected_level__isnull=False)
                | ~Q(verdict=Verdict.SEVERITY_WRONG) & Q(expected_level=None),
                name="feedback_level_with_severity",
            )
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="feedback_newest")]

    def __str__(self) -> str:
        return self.get_verdict_display()


class CameraSearch(models.Model):
    """By which name a camera's events are found; while they are rewritten for it, `written_to` says how far."""

    camera_path: ClassVar = "camera_id"

    camera = models.OneToOneField(Camera, primary_key=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    written_to = models.BigIntegerField(null=True, help_text="The last event rewritten; empty: all are.")

    objects: ClassVar[CameraSearchRepository] = CameraSearchRepository()

    class Meta:
        verbose_name_plural = "camera searches"

    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """One version of a prompt; the newest is the active one, and none is ever changed."""

    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    text = models.TextField()
    note = models.CharField(max_length=500, blank=True, help_text="Why it was written.")
    is_active = models.BooleanField(default=True, editable=False)
    created_by = models.CharField(max_length=200, blank=True, editable=False, help_text="Empty: it came with the site.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[PromptVersionRepository] = PromptVersionRepository()

    class Meta:
        ordering = ["name", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="prompt_version_once"),
            models.UniqueConstraint(fields=["name"], condition=Q(is_active=True), name="prompt_one_active"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Analysis(Claimable):
    """A closed event's judgement by the configured analyzer: waited for, and what became of it.

    waiting -> done, failed or skipped; each time the event closes it waits anew.
    """

    camera_path: ClassVar = "event__camera_id"

    event = models.OneToOneField(Event, primary_key=True, on_delete=models.CASCADE, related_name="analysis")
    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    error = models.TextField(blank=True, help_text="Why the built-in score was kept.")
    prompt_version = models.ForeignKey(
        PromptVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="What it judged by."
    )
    model = models.CharField(max_length=200, blank=True)
    score = models.PositiveSmallIntegerField(null=True, blank=True)
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[AnalysisRepository] = AnalysisRepository()

    class Meta:
        ordering = ["-requested_at", "-event_id"]
        verbose_name_plural = "analyses"
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="analysis_due"),
            models.Index(fields=["-requested_at", "-event_id"], name="analysis_newest"),
        ]

    def __str__(self) -> str:
        return f"Analysis of event {self.event_id}"


class Enrichment(Claimable):
    """What one service was, or is to be, asked about one detection."""

    camera_path: ClassVar = "detection__camera_id"

    detection = models.ForeignKey(Detection, on_delete=models.CASCADE, related_name="enrichments")
    service = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    error = models.TextField(blank=True)
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[EnrichmentRepository] = EnrichmentRepository()

    class Meta:
        ordering = ["-requested_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["detection", "service"], name="enrichment_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="enrichment_due"),
            models.Index(fields=["-requested_at", "-id"], name="enrichment_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.service} of detection {self.detection_id}"


class Export(Claimable):
    """Events that are written into a file, slice by slice, for whoever asked; it waits while `due_at` is set.

    waiting -> done (the file can be fetched until `expires_at`) or failed.
    """

    form = models.CharField(max_length=8, choices=ExportFormat.choices)
    parameters = models.JSONField(default=dict, help_text="The list's filters, each with its values.")
    camera_ids = ArrayField(
        models.CharField(max_length=64), null=True, help_text="What whoever asked might see then; null: all cameras."
    )
    requested_by = models.CharField(max_length=200)

    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    error = models.TextField(blank=True)
    rows_expected = models.PositiveBigIntegerField(help_text="Of long lists the planner's estimate.")
    rows_written = models.PositiveBigIntegerField(default=0)
    parts = ArrayField(models.CharField(max_length=100), default=list, help_text="Pieces of the file in the storage.")
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file so far.")
    last_started_at = models.DateTimeField(null=True, help_text="Start of the last event that was written.")
    last_event = models.BigIntegerField(null=True, help_text="Its id.")

    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(help_text="When the file and the row go.")

    objects: ClassVar[ExportRepository] = ExportRepository()

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [
            models.Index(fields=["requested_by", "-requested_at", "-id"], name="export_newest"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="export_due"),
            models.Index(fields=["expires_at"], name="export_expiry"),
        ]

    def __str__(self) -> str:
        return f"events as {self.form} for {self.requested_by}"
