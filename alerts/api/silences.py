"""Silences and quiet hours over REST."""

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from alerts.api.fields import ScheduleSerializer, SetField, ids, words
from alerts.choices import LONGEST_SNOOZE_MINUTES, Severity
from alerts.models import QuietHours, Silence
from alerts.services.quiet_hours import create_quiet_hours, delete_quiet_hours, update_quiet_hours
from alerts.services.silences import create_silence, delete_silence, snooze_camera, snooze_rule, update_silence
from siteadmin.core.exceptions import QuietHoursNotFoundError, SilenceNotFoundError
from siteadmin.core.filters import FlagFilter, MultiIdFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.names import NameSerializerField
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.roles import Role
from siteadmin.core.serializers import ChoiceField, InstantField, StrictModelSerializer, StrictSerializer, VersionField
from siteadmin.core.viewsets import CrudViewSet

STATES = (("pending", "to come"), ("active", "in effect"), ("expired", "over"))


class SilenceSerializer(StrictModelSerializer[Silence]):
    """What is silent, and until when; all matchers that are set must match."""

    camera_ids = words()
    rule_ids = ids()
    severities = SetField(child=ChoiceField(choices=Severity.choices), required=False)
    object_types = words()
    zone_ids = ids()
    starts_at = InstantField(required=False, help_text="Now, where not given.")
    comment = NameSerializerField(required=False, allow_blank=True, max_length=1000)
    version = VersionField()

    class Meta:
        model = Silence
        fields = [
            "id",
            "camera_ids",
            "rule_ids",
            "severities",
            "object_types",
            "zone_ids",
            "starts_at",
            "ends_at",
            "comment",
            "created_by",
            "created_at",
            "version",
        ]
        read_only_fields = ["created_by", "created_at"]


class SnoozeSerializer(StrictSerializer):
    """What is snoozed, and for how long."""

    camera = serializers.CharField(required=False, max_length=64)
    rule = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    minutes = serializers.IntegerField(min_value=1, max_value=LONGEST_SNOOZE_MINUTES)
    comment = NameSerializerField(required=False, allow_blank=True, max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one of both."""
        if ("camera" in attrs) == ("rule" in attrs):
            raise serializers.ValidationError({"camera": "Give either a camera or a rule."}, code="required")
        return attrs


class SilenceFilter(StrictFilterSet):
    """Parameters of the list."""

    state = MultiValueFilter(choices=STATES, method="in_state")

    @extend_schema_field({"type": "string", "enum": [value for value, _ in STATES]})
    def in_state(self, rows: Any, name: str, values: list[str]) -> Any:
        """Keep those in these states."""
        return rows.in_state(values) if values else rows


class SilenceViewSet(CrudViewSet[Silence]):
    """Silences: seen and managed by operators."""

    serializer_class = SilenceSerializer
    filterset_class = SilenceFilter
    not_found = SilenceNotFoundError
    ordering_fields = ("starts_at", "ends_at")
    may_find_nothing = ("snooze",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata", "snooze"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[Silence]:
        """Give the silences as they are now."""
        return Silence.objects.current()

    def perform_create(self, serializer: BaseSerializer[Silence]) -> Silence:
        """Make the silence."""
        return create_silence(fields=serializer.validated_data, by=self.request.user.get_username())

    def perform_update(self, serializer: BaseSerializer[Silence]) -> Silence:
        """Change the silence."""
        assert serializer.instance is not None
        return update_silence(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Silence) -> None:
        """End the silence."""
        delete_silence(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=SnoozeSerializer, responses={201: SilenceSerializer})
    @action(detail=False, methods=["post"])
    def snooze(self, request: Request) -> Response:
        """Be silent about one camera or one rule for so many minutes."""
        said = SnoozeSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        values = dict(said.validated_data)
        camera, rule, by = values.pop("camera", None), values.pop("rule", 0), request.user.get_username()
        silence = snooze_rule(rule, by=by, **values) if camera is None else snooze_camera(camera, by=by, **values)
        return Response(SilenceSerializer(silence).data, status=status.HTTP_201_CREATED)


class QuietHoursSerializer(StrictModelSerializer[QuietHours]):
    """Hours of the week in which a channel, or all that is a person's own, is not used."""

    schedule = ScheduleSerializer()
    user = serializers.SlugRelatedField(
        slug_field="username", queryset=get_user_model()._default_manager.all(), required=False, allow_null=True
    )
    version = VersionField()

    class Meta:
        model = QuietHours
        fields = ["id", "channel", "user", "schedule", "critical_passes", "enabled", "version"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the hours of one channel or of one person."""
        whose = [attrs.get(name, getattr(self.instance, name, None)) for name in ("channel", "user")]
        if (whose[0] is None) == (whose[1] is None):
            raise serializers.ValidationError({"channel": "Give either a channel or a user."}, code="required")
        return attrs


class QuietHoursFilter(StrictFilterSet):
    """Parameters of the list."""

    channel = MultiIdFilter(field_name="channel_id")
    user = MultiValueFilter(field_name="user__username")
    enabled = FlagFilter(field_name="enabled")


class QuietHoursViewSet(CrudViewSet[QuietHours]):
    """Quiet hours: seen and managed by operators."""

    serializer_class = QuietHoursSerializer
    filterset_class = QuietHoursFilter
    not_found = QuietHoursNotFoundError
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[QuietHours]:
        """Give the quiet hours as they are now, with channel and person."""
        return QuietHours.objects.current().with_whose()

    def perform_create(self, serializer: BaseSerializer[QuietHours]) -> QuietHours:
        """Make the quiet hours."""
        return create_quiet_hours(fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[QuietHours]) -> QuietHours:
        """Change the quiet hours."""
        assert serializer.instance is not None
        return update_quiet_hours(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: QuietHours) -> None:
        """Delete the quiet hours."""
        delete_quiet_hours(instance.pk, expected_version=self.expected_version)
