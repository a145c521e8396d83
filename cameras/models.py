"""Where pictures come from: cameras, their zones, and every file they sent."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from cameras.access_repositories import StaffCamerasRepository
from cameras.change_repositories import CameraStatusChangeRepository
from cameras.choices import (
    SILENT_AFTER_SECONDS,
    WAITING_STATES,
    CameraStatus,
    MediaType,
    SnapshotState,
    TimerPictures,
    Trigger,
    Urgency,
    ZoneType,
)
from cameras.detector_choice import validate_detector
from cameras.repositories import (
    CameraRepository,
    DetectionLimitRepository,
    MaskRepository,
    ZoneRepository,
)
from cameras.snapshot_repositories import SnapshotRepository
from cameras.unassigned_repositories import CameraFolderRepository, UnassignedUploadRepository
from cameras.validators import validate_polygon, validate_timezone
from siteadmin.core.claims import Claimable
from siteadmin.core.correlation import LONGEST_ID
from siteadmin.core.names import NameField
from siteadmin.core.versions import Versioned


class Camera(Versioned):
    """A source of pictures; its id is a slug made from its folder's name."""

    camera_path: ClassVar = "id"

    id = models.CharField(
        primary_key=True,
        max_length=64,
        validators=[RegexValidator(r"\A[a-z0-9_]+\Z", "An id takes lower-case letters, digits and _.")],
    )
    name = NameField(max_length=100)
    folder_path = models.CharField(max_length=255, unique=True, help_text="Folder below the camera root.")
    timezone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_timezone],
        help_text="IANA zone of the camera's clock; empty: the site's.",
    )

    status = models.CharField(max_length=16, choices=CameraStatus.choices, default=CameraStatus.UNKNOWN)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    offline_after_seconds = models.PositiveIntegerField(default=SILENT_AFTER_SECONDS, validators=[MinValueValidator(1)])

    timer_pictures = models.CharField(max_length=16, choices=TimerPictures.choices, default=TimerPictures.SKIP)
    detector = models.CharField(
        max_length=128,
        blank=True,
        validators=[validate_detector],
        help_text="Who looks at its pictures; empty: the site's.",
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Days to keep pictures and events; 0: for ever; empty: the site's."
    )
    demo = models.BooleanField(default=False, editable=False)
    ftp_password = models.CharField(max_length=128, blank=True, editable=False, help_text="Hashed; empty: no FTP.")
    clock_fault = models.JSONField(
        null=True, editable=False, help_text="The last impossible time that it stated: at, stated, reason."
    )

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[CameraRepository] = CameraRepository()
    audit_hidden = ("ftp_password",)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=models.Q(deleted_at=None), name="camera_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone of its clock: its own, else the site's."""
        return ZoneInfo(self.timezone or settings.TIME_ZONE)


class CameraStatusChange(Claimable):
    """A camera fell silent or came back; it waits for the rules while `due_at` is set."""

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="status_changes")
    status = models.CharField(max_length=16, choices=CameraStatus.choices)
    at = models.DateTimeField(db_default=Now(), help_text="When it was noticed.")

    objects: ClassVar[CameraStatusChangeRepository] = CameraStatusChangeRepository()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["camera", "-at", "-id"], name="status_change_newest"),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="status_change_due"),
        ]

    def __str__(self) -> str:
        return f"{self.camera_id}: {self.status}"


class CameraFolder(models.Model):
    """A further folder below the camera root whose pictures are a camera's."""

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="folders")
    folder_path = models.CharField(max_length=255, unique=True, help_text="Folder below the camera root.")

    objects: ClassVar[CameraFolderRepository] = CameraFolderRepository()

    class Meta:
        ordering = ["folder_path"]

    def __str__(self) -> str:
        return self.folder_path


class UnassignedUpload(Claimable):
    """An upload in a folder that is no camera's; `due_at` is set once there is a camera that it may go to."""

    folder = models.CharField(max_length=255, help_text="Top folder below the camera root.")
    slug = models.CharField(max_length=64, help_text="The id that a camera of this folder would get.")
    name = models.CharField(max_length=255, help_text="As uploaded, below the folder.")
    sha256 = models.CharField(max_length=64)
    file = models.CharField(max_length=255, help_text="Name in the media storage.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it is no whole picture; empty: it is one.")
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.UNKNOWN)

    maker = models.CharField(max_length=32, blank=True)
    serial = models.CharField(max_length=255, blank=True)
    mac = models.CharField(max_length=17, blank=True)
    ip = models.CharField(max_length=15, blank=True)
    alias = models.CharField(max_length=255, blank=True)

    file_time = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[UnassignedUploadRepository] = UnassignedUploadRepository()

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["folder", "name", "sha256"], name="unassigned_identity"),
        ]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="unassigned_newest"),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="unassigned_due"),
        ]

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"


class Zone(Versioned):
    """A polygon on a camera's picture; its points are normalised to 0-1 from the top left corner."""

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="zones")
    name = NameField(max_length=100)
    zone_type = models.CharField(max_length=16, choices=ZoneType.choices, default=ZoneType.OTHER)
    coordinates = models.JSONField(
        validators=[validate_polygon],
        help_text="[[x, y], ...], at least three points, each 0-1, not self-crossing.",
    )
    color = models.CharField(
        max_length=7,
        default="#3b82f6",
        validators=[RegexValidator(r"\A#[0-9a-fA-F]{6}\Z", "A color is #rrggbb.")],
    )

    enabled = models.BooleanField(default=True)
    priority = models.IntegerField(default=0, help_text="Where zones overlap, the higher one is named first.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[ZoneRepository] = ZoneRepository()

    class Meta:
        ordering = ["camera_id", "-priority", "name", "id"]
        constraints = [models.UniqueConstraint(fields=["camera", "name"], name="zone_name_unique")]

    def __str__(self) -> str:
        return self.name


class Mask(Versioned):
    """A polygon on a camera's picture in which objects are not seen, by their box's bottom centre."""

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="masks")
    name = NameField(max_length=100)
    coordinates = models.JSONField(
        validators=[validate_polygon],
        help_text="[[x, y], ...], at least three points, each 0-1, not self-crossing.",
    )
    object_types = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, help_text="Only these types; empty: all."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[MaskRepository] = MaskRepository()

    class Meta:
        ordering = ["camera_id", "name", "id"]
        constraints = [models.UniqueConstraint(fields=["camera", "name"], name="mask_name_unique")]

    def __str__(self) -> str:
        return self.name


SHARE = [MinValueValidator(0), MaxValueValidator(1)]


class DetectionLimit(Versioned):
    """What an object must be to count, by camera and type; of several that fit, the closest says each thing.

    Closest first: this camera and this type, this camera, this type, everything.
    """

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(
        Camera,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="detection_limits",
        help_text="Empty: every camera.",
    )
    object_type = models.CharField(max_length=64, blank=True, help_text="As the detector names it; empty: every type.")
    ignored = models.BooleanField(null=True, blank=True, help_text="Yes: such objects are never recorded.")
    min_confidence = models.FloatField(null=True, blank=True, validators=SHARE)
    min_area = models.FloatField(null=True, blank=True, validators=SHARE, help_text="Share of the picture, 0-1.")
    max_area = models.FloatField(null=True, blank=True, validators=SHARE, help_text="Share of the picture, 0-1.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[DetectionLimitRepository] = DetectionLimitRepository()

    class Meta:
        ordering = ["camera_id", "object_type", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["camera", "object_type"], nulls_distinct=False, name="detection_limit_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(min_area=None)
                | models.Q(max_area=None)
                | models.Q(min_area__lte=models.F("max_area")),
                name="detection_limit_areas",
                violation_error_message="The smallest area is above the largest.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_type or 'Everything'} on {self.camera_id or 'every camera'}"


class Snapshot(Claimable):
    """One uploaded file; it waits for detection while `due_at` is set.

    received -> detecting -> detected or failed; skipped where nobody shall look at it.
    """

    camera_path: ClassVar = "camera_id"

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="snapshots")
    name = models.CharField(max_length=255, help_text="As uploaded, below the camera's folder.")
    sha256 = models.CharField(max_length=64)
    stated_at = models.CharField(
        max_length=40,
        blank=True,
        help_text="The time that name, EXIF or client states, as stated (ISO 8601, local); empty: none. "
        "Part of the identity, so later changes of zone or clock make no second snapshot.",
    )

    media_type = models.CharField(max_length=8, choices=MediaType.choices, default=MediaType.IMAGE)
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.UNKNOWN)
    file = models.CharField(max_length=255, blank=True, help_text="Name in the media storage.")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    duration_seconds = models.FloatField(null=True, blank=True, help_text="Of a clip that says so.")
    codec = models.CharField(max_length=16, blank=True, help_text="Of a clip.")
    frames = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Pictures in the media storage, by seconds into the clip."
    )

    state = models.CharField(max_length=16, choices=SnapshotState.choices, default=SnapshotState.RECEIVED)
    error = models.TextField(blank=True)
    urgency = models.PositiveSmallIntegerField(
        choices=Urgency.choices,
        default=Urgency.LIVE,
        editable=False,
        help_text="Of what waits, the highest is looked at first.",
    )

    captured_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    request_id = models.CharField(
        max_length=LONGEST_ID, blank=True, editable=False, help_text="Of the request that brought it; empty: none did."
    )

    objects: ClassVar[SnapshotRepository] = SnapshotRepository()

    class Meta:
        ordering = ["-captured_at", "-id"]
        constraints = [
            # The same upload again adds nothing, whoever is first.
            models.UniqueConstraint(fields=["camera", "sha256", "stated_at"], name="snapshot_identity"),
        ]
        indexes = [
            models.Index(fields=["-captured_at", "-id"], name="snapshot_newest"),
            models.Index(fields=["camera", "-captured_at", "-id"], name="snapshot_camera_newest"),
            # Retention walks by a camera's arrivals, and asks whether another row has the same file.
            models.Index(fields=["camera", "received_at"], name="snapshot_received"),
            models.Index(fields=["file"], name="snapshot_file"),
            # Who is looked at next.
            models.Index(
                fields=["-urgency", "-captured_at", "-id"],
                condition=models.Q(due_at__isnull=False),
                name="snapshot_most_urgent",
            ),
            # The sweeper.
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="snapshot_due"),
            # Closing, which must know whether a camera's pictures still wait; and which of them has waited longest.
            models.Index(
                fields=["camera", "due_at"], condition=models.Q(state__in=WAITING_STATES), name="snapshot_waiting"
            ),
            # The list of what failed.
            models.Index(
                fields=["-captured_at", "-id"],
                condition=models.Q(state=SnapshotState.FAILED),
                name="snapshot_failed",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StaffCameras(models.Model):
    """The cameras that a member of staff is limited to; who has no such row sees all.

    Ids, not rows: a camera that goes for good must not leave its watchers with all the others.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="camera_limit"
    )
    camera_ids = ArrayField(models.CharField(max_length=64), default=list, blank=True)

    objects = StaffCamerasRepository()

    class Meta:
        verbose_name_plural = "staff cameras"

    def __str__(self) -> str:
        return f"{self.user_id}: {', '.join(self.camera_ids) or 'no camera'}"
