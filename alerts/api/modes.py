"""Modes over REST: which there are, which is active, and switching it."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from alerts.choices import DAYS
from alerts.models import Mode
from alerts.schedules import MOST_SWITCH_TIMES, ScheduleError, parse_switch_times
from alerts.services.modes import activate_mode, create_mode, delete_mode, update_mode
from siteadmin.core.exceptions import ModeNotFoundError
from siteadmin.core.roles import Role
from siteadmin.core.serializers import ChoiceField, StrictModelSerializer, StrictSerializer, VersionField
from siteadmin.core.viewsets import CrudViewSet


class SwitchTimeSerializer(StrictSerializer):
    """A time of the week."""

    days = serializers.ListField(child=ChoiceField(choices=DAYS), required=False, help_text="None: every day.")
    at = serializers.CharField(help_text="HH:MM, local time")


class SwitchTimesSerializer(StrictSerializer):
    """When a mode becomes active by itself."""

    timezone = serializers.CharField(max_length=64, help_text="IANA zone, such as Europe/Berlin")
    times = serializers.ListField(child=SwitchTimeSerializer(), min_length=1, max_length=MOST_SWITCH_TIMES)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Give the times as they are stored."""
        try:
            return parse_switch_times(attrs).as_json()
        except ScheduleError as error:
            raise serializers.ValidationError({name or "times": text for name, text in error.errors.items()}) from error


class ModeSerializer(StrictModelSerializer[Mode]):
    """A mode; rules name the modes that they are limited to."""

    active = serializers.BooleanField(source="is_active", read_only=True)
    switch_times = SwitchTimesSerializer(required=False, allow_null=True)
    version = VersionField()

    class Meta:
        model = Mode
        fields = ["id", "name", "active", "switch_times", "version"]
        # A taken name is a conflict, which the service reports.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}

    def validate_name(self, name: str) -> str:
        """Refuse what one could not name in a rule."""
        if len(name) > Mode._meta.get_field("name").max_length:  # type: ignore[operator]  # it has one
            raise serializers.ValidationError("A name has at most 50 signs.", code="max_length")
        return name


class ModeViewSet(CrudViewSet[Mode]):
    """Modes: seen and switched by operators; exactly one is active."""

    serializer_class = ModeSerializer
    not_found = ModeNotFoundError
    ordering_fields = ("name",)
    may_find_nothing = ("active",)
    bodiless_actions = ("activate",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata", "activate", "active"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[Mode]:
        """Give all modes."""
        return Mode.objects.get_queryset()

    def perform_create(self, serializer: BaseSerializer[Mode]) -> Mode:
        """Make the mode."""
        return create_mode(fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[Mode]) -> Mode:
        """Change the mode; rules that name it follow."""
        assert serializer.instance is not None
        return update_mode(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Mode) -> None:
        """Delete the mode."""
        delete_mode(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=None, responses=ModeSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str) -> Response:
        """Make it the active one."""
        mode = activate_mode(self.get_object().name, by=request.user.get_username())
        return Response(self.get_serializer(mode).data)

    @extend_schema(responses=ModeSerializer, filters=False)
    @action(detail=False)
    def active(self, request: Request) -> Response:
        """Give the active one."""
        mode = self.get_queryset().filter(is_active=True).first()
        if mode is None:
            raise ModeNotFoundError(message="No mode is active")
        return Response(self.get_serializer(mode).data)
