"""What the API gives and takes of cameras, zones and snapshots."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cameras.models import Camera, DetectionLimit, Mask, Snapshot, UnassignedUpload, Zone
from cameras.services import channel_of
from siteadmin.core.serializers import InstantField, StrictModelSerializer, StrictSerializer, VersionField


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "stated": {"type": "string"},
            "reason": {"type": "string"},
        },
        "description": "The last time that it stated and that cannot be; null once it states a possible one.",
    }
)
class ClockFaultField(serializers.JSONField):
    """What is wrong with a camera's clock."""


class CameraSerializer(StrictModelSerializer[Camera]):
    """A camera; `id` is taken at its creation alone, and made from the name where it is missing."""

    clock_fault = ClockFaultField(read_only=True, allow_null=True)
    version = VersionField()

    class Meta:
        model = Camera
        fields = (
            "id",
            "name",
            "folder_path",
            "timezone",
            "status",
            "last_seen_at",
            "offline_after_seconds",
            "timer_pictures",
            "retention_days",
            "detector",
            "clock_fault",
            "demo",
            "created_at",
            "deleted_at",
            "version",
        )
        read_only_fields = ("last_seen_at", "demo", "created_at", "deleted_at")
        # What is taken is decided by the database and answered as a conflict, not as bad input.
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "id": {"required": False, "validators": Camera._meta.get_field("id").validators},
            "name": {"validators": []},
            "folder_path": {"required": False, "validators": []},
        }


@extend_schema_field(
    {
        "type": "array",
        "minItems": 3,
        "items": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "description": "Points [x, y], normalised to 0-1 from the top left corner; sides do not cross.",
    }
)
class CoordinatesField(serializers.JSONField):
    """Points of a polygon."""


class ZoneSerializer(StrictModelSerializer[Zone]):
    """A zone of a camera's picture."""

    coordinates = CoordinatesField(validators=Zone._meta.get_field("coordinates").validators)
    version = VersionField()

    class Meta:
        model = Zone
        fields = ("id", "name", "zone_type", "coordinates", "color", "enabled", "priority", "version")
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}


class MaskSerializer(StrictModelSerializer[Mask]):
    """A part of a camera's picture in which objects are not seen."""

    coordinates = CoordinatesField(validators=Mask._meta.get_field("coordinates").validators)
    version = VersionField()

    class Meta:
        model = Mask
        fields = ("id", "name", "coordinates", "object_types", "enabled", "version")
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}


class DetectionLimitSerializer(StrictModelSerializer[DetectionLimit]):
    """What an object must be to count; `camera` null: on every camera, `object_type` empty: of every type."""

    version = VersionField()

    class Meta:
        model = DetectionLimit
        fields = ("id", "camera", "object_type", "ignored", "min_confidence", "min_area", "max_area", "version")
        # Whether there is one already is decided by the database and answered as a conflict.
        validators: ClassVar[list[Any]] = []


class SnapshotSerializer(StrictModelSerializer[Snapshot]):
    """One uploaded file."""

    camera: Any = serializers.CharField(source="camera_id", read_only=True)

    class Meta:
        model = Snapshot
        fields = (
            "id",
            "camera",
            "name",
            "sha256",
            "media_type",
            "trigger",
            "captured_at",
            "received_at",
            "width",
            "height",
            "size",
            "duration_seconds",
            "codec",
            "state",
            "error",
        )
        read_only_fields = fields


class FtpPasswordSerializer(StrictSerializer):
    """What a camera logs in to the FTP server with; the password is shown this once."""

    user = serializers.CharField(read_only=True)
    password = serializers.CharField(read_only=True)


class UnassignedUploadSerializer(StrictModelSerializer[UnassignedUpload]):
    """An upload that waits for a camera; `maker` to `channel` are guessed from its path."""

    channel = serializers.SerializerMethodField()

    class Meta:
        model = UnassignedUpload
        fields = (
            "id",
            "folder",
            "name",
            "sha256",
            "size",
            "width",
            "height",
            "error",
            "trigger",
            "maker",
            "serial",
            "mac",
            "ip",
            "alias",
            "channel",
            "received_at",
        )
        read_only_fields = fields

    def get_channel(self, upload: UnassignedUpload) -> int | None:
        """Give the recorder's channel."""
        return channel_of(upload)


class NewCameraSerializer(StrictModelSerializer[Camera]):
    """The camera to make of a folder; `name` and `id` follow from the folder where they are missing."""

    class Meta:
        model = Camera
        fields = ("id", "name", "timezone", "offline_after_seconds", "timer_pictures", "retention_days", "detector")
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "id": {"required": False, "validators": Camera._meta.get_field("id").validators},
            "name": {"required": False, "validators": []},
        }


class AssignSerializer(StrictSerializer):
    """Either the id of a camera, or what to make one of."""

    camera = serializers.CharField(required=False)
    create: Any = NewCameraSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one of the two."""
        if ("camera" in attrs) == ("create" in attrs):
            raise serializers.ValidationError({"camera": "Give either 'camera' or 'create'."})
        return attrs


class UploadSerializer(StrictSerializer):
    """One picture; `captured_at` is the time that the client states for it."""

    # An empty file is taken and kept as what failed, like any other that does not decode.
    file = serializers.FileField(allow_empty_file=True)
    captured_at = InstantField(required=False)
