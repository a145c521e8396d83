"""What the API gives and takes of events and detections."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from events.choices import LONGEST_NOTES, RiskLevel
from events.models import Analysis, Detection, Event
from events.services.bulk import ExternalDetection
from siteadmin.core.filters import LARGEST_ID
from siteadmin.core.serializers import InstantField, StrictModelSerializer, StrictSerializer, VersionField, WhoField

MOST_AT_ONCE = 1000
"""Items of one bulk request."""


class BoxSerializer(StrictSerializer):
    """A box in pixels, from the top left corner."""

    x = serializers.IntegerField()
    y = serializers.IntegerField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class FrameSerializer(StrictSerializer):
    """The size of the picture that a box is on."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()


class DetectionFrameSerializer(StrictSerializer):
    """The size of the picture that a detection's box is on."""

    width = serializers.IntegerField(source="frame_width")
    height = serializers.IntegerField(source="frame_height")


class AnalysisSerializer(StrictModelSerializer[Analysis]):
    """What the configured analyzer made of an event; `failed`: the built-in score was kept, for the reason given."""

    prompt_version = serializers.IntegerField(source="prompt_version.version", default=None, read_only=True)

    class Meta:
        model = Analysis
        fields = ("state", "error", "prompt_version", "model", "score", "requested_at", "finished_at")
        read_only_fields = fields


class EventSerializer(StrictModelSerializer[Event]):
    """An event; `version` is what the change was made on, where it shall not undo another's."""

    camera: Any = serializers.CharField(source="camera_id", read_only=True)
    risk_score = serializers.IntegerField(min_value=0, max_value=100, allow_null=True, required=False)
    risk_level = serializers.ChoiceField(choices=RiskLevel.choices, read_only=True, allow_null=True)
    zones = serializers.ListField(child=serializers.IntegerField(), read_only=True)
    object_types = serializers.ListField(child=serializers.CharField(), read_only=True)
    reviewed_by = WhoField()
    notes = serializers.CharField(allow_blank=True, max_length=LONGEST_NOTES, required=False)
    version = VersionField()
    analysis = AnalysisSerializer(
        read_only=True, allow_null=True, help_text="Null where no analyzer was, or is to be, asked."
    )

    class Meta:
        model = Event
        fields = (
            "id",
            "camera",
            "started_at",
            "ended_at",
            "state",
            "risk_score",
            "risk_level",
            "scored_by",
            "summary",
            "reasoning",
            "object_types",
            "zones",
            "detection_count",
            "reviewed",
            "reviewed_by",
            "reviewed_at",
            "notes",
            "kept",
            "version",
            "analysis",
        )
        read_only_fields = (
            "started_at",
            "ended_at",
            "state",
            "scored_by",
            "summary",
            "reasoning",
            "detection_count",
            "reviewed_at",
        )

    def validate_risk_score(self, value: int | None) -> int:
        """Refuse null: a person's score is a number."""
        if value is None:
            raise serializers.ValidationError("A person's score is a whole number from 0 to 100.", code="null")
        return value


class DetectionSerializer(StrictModelSerializer[Detection]):
    """A detection."""

    snapshot: Any = serializers.IntegerField(source="snapshot_id", read_only=True, allow_null=True)
    camera: Any = serializers.CharField(source="camera_id", read_only=True)
    event: Any = serializers.IntegerField(source="event_id", read_only=True, allow_null=True)
    bbox = BoxSerializer(source="*", read_only=True)
    frame = DetectionFrameSerializer(source="*", read_only=True)
    zones = serializers.ListField(child=serializers.IntegerField(), read_only=True)
    attributes = serializers.DictField(read_only=True)

    class Meta:
        model = Detection
        fields = (
            "id",
            "snapshot",
            "camera",
            "event",
            "object_type",
            "confidence",
            "bbox",
            "frame",
            "zones",
            "detected_at",
            "external_id",
            "attributes",
        )
        read_only_fields = fields


class IdsSerializer(StrictSerializer):
    """Which events."""

    ids = serializers.ListField(
        child=serializers.IntegerField(), allow_empty=False, min_length=1, max_length=MOST_AT_ONCE
    )


class BulkReviewSerializer(IdsSerializer):
    """Which events, and what is decided about them."""

    reviewed = serializers.BooleanField(required=False)
    kept = serializers.BooleanField(required=False)
    notes = serializers.CharField(allow_blank=True, max_length=LONGEST_NOTES, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a request that would change nothing."""
        if len(attrs) < 2:
            raise serializers.ValidationError("Give at least one of: reviewed, kept, notes.", code="required")
        return attrs


class ExternalDetectionSerializer(StrictSerializer):
    """One object as an external detector saw it."""

    camera = serializers.CharField()
    detected_at = InstantField()
    object_type = serializers.CharField(max_length=64)
    confidence = serializers.FloatField(min_value=0, max_value=1)
    bbox = BoxSerializer()
    frame = FrameSerializer()
    snapshot = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=200)
    attributes = serializers.DictField(required=False)

    def to_detection(self) -> ExternalDetection:
        """Give what was validated as the service takes it."""
        values = dict(self.validated_data)
        box, frame = values.pop("bbox"), values.pop("frame")
        return ExternalDetection(**values, **box, frame_width=frame["width"], frame_height=frame["height"])


class BulkDetectionsSerializer(StrictSerializer):
    """Up to 1000 detections; each is judged on its own."""

    detections = serializers.ListField(
        child=serializers.JSONField(allow_null=True), allow_empty=False, min_length=1, max_length=MOST_AT_ONCE
    )


BULK_RESULTS = inline_serializer(
    "BulkResult",
    fields={
        "id": serializers.IntegerField(required=False, allow_null=True),
        "index": serializers.IntegerField(required=False),
        "status": serializers.IntegerField(help_text="The HTTP status of this one."),
        "event": serializers.IntegerField(required=False, allow_null=True),
        "code": serializers.CharField(required=False),
        "detail": serializers.CharField(required=False),
        "errors": serializers.ListField(child=serializers.DictField(), required=False),
    },
    many=True,
)


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """The answer to a bulk request."""

    results = BULK_RESULTS


class DetectRequestSerializer(StrictSerializer):
    """A picture inside the camera root by its path, or the picture itself."""

    image_path = serializers.CharField(required=False, max_length=4096)
    file = serializers.FileField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse neither and both."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either 'image_path' or 'file'.", code="required")
        return attrs


class FoundObjectSerializer(serializers.Serializer[Any]):
    """One object that a detector sees."""

    object_type = serializers.CharField()
    confidence = serializers.FloatField()
    bbox = BoxSerializer(source="*")
    attributes = serializers.DictField()


class DetectAnswerSerializer(serializers.Serializer[Any]):
    """What the detector sees on a picture; nothing is stored."""

    frame = FrameSerializer()
    detections = FoundObjectSerializer(many=True)
