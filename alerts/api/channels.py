"""Channels over REST; what is secret is taken and not given back."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from alerts.choices import ChannelKind
from alerts.models import Channel
from alerts.services.channels import (
    create_channel,
    delete_channel,
    problem_of,
    rotate_secret,
    send_test_message,
    shown_config,
    update_channel,
)
from siteadmin.core.exceptions import ChannelNotFoundError
from siteadmin.core.filters import FlagFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer, VersionField
from siteadmin.core.throttling import Scope
from siteadmin.core.timezones import find_zone
from siteadmin.core.viewsets import CrudViewSet


class ChannelSerializer(StrictModelSerializer[Channel]):
    """A channel, its settings masked; the services check what is sent."""

    config = serializers.DictField(required=False)
    secret = serializers.CharField(
        required=False,
        write_only=True,
        max_length=200,
        help_text="`whsec_...`; made if not given, shown in the answer to the creation alone. Webhooks only.",
    )
    version = VersionField()
    problem = serializers.SerializerMethodField(help_text="Why it can send nothing at present; empty: it can.")

    class Meta:
        model = Channel
        fields = [
            "id",
            "name",
            "kind",
            "enabled",
            "config",
            "secret",
            "timezone",
            "action_links",
            "max_messages",
            "period_seconds",
            "problem",
            "disabled_reason",
            "created_at",
            "version",
        ]
        read_only_fields = ["disabled_reason", "created_at"]
        # A taken name is a conflict, which the service reports.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}

    def validate_kind(self, kind: str) -> str:
        """Refuse a change of kind: the settings of one mean nothing to another."""
        if isinstance(self.instance, Channel) and kind != self.instance.kind:
            raise serializers.ValidationError("The kind of a channel cannot be changed.", code="immutable")
        return kind

    def validate_timezone(self, name: str) -> str:
        """Refuse a zone that this machine does not know."""
        if name and find_zone(name) is None:
            raise serializers.ValidationError("There is no such time zone; take one such as Europe/Berlin.")
        return name

    def get_problem(self, channel: Channel) -> str:
        """Say what the site lacks."""
        return problem_of(channel)

    def to_representation(self, channel: Channel) -> dict[str, Any]:
        """Give the channel with its settings masked."""
        shown = super().to_representation(channel)
        if "config" in shown:
            shown["config"] = shown_config(channel)
        return shown


class CreatedChannelSerializer(ChannelSerializer):
    """A channel as the answer to its creation shows it: the only time that the secret is seen."""

    secret = serializers.CharField(
        read_only=True, allow_null=True, default=None, help_text="Null for kinds that sign nothing."
    )


class RotatedSecretSerializer(StrictSerializer):
    """A channel's new secret, shown this once."""

    secret = serializers.CharField()
    old_secret_until = serializers.DateTimeField(help_text="Until then the old secret signs too.", allow_null=True)


class ChannelOutcomeSerializer(StrictSerializer):
    """How one channel fared."""

    channel = serializers.IntegerField(source="channel_id", allow_null=True)
    name = serializers.CharField(source="channel")
    outcome = serializers.CharField()
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(help_text="Why it failed, or what is worth knowing though it did not.")
    duration_ms = serializers.IntegerField()


class DeliveryResultSerializer(StrictSerializer):
    """What became of telling, channel by channel."""

    alert = serializers.IntegerField(source="alert_id", allow_null=True)
    outcomes = ChannelOutcomeSerializer(many=True)
    all_successful = serializers.BooleanField()
    counts = serializers.DictField(child=serializers.IntegerField())


class ChannelFilter(StrictFilterSet):
    """Parameters of the list."""

    kind = MultiValueFilter(field_name="kind", choices=ChannelKind.choices)
    enabled = FlagFilter(field_name="enabled")


class ChannelViewSet(CrudViewSet[Channel]):
    """Channels: seen and managed by operators."""

    serializer_class = ChannelSerializer
    filterset_class = ChannelFilter
    not_found = ChannelNotFoundError
    ordering_fields = ("name", "created_at")
    bodiless_actions = ("rotate_secret", "test")
    outside_actions = ("test",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata", "test", "rotate_secret"), Role.OPERATOR)

    throttle_scopes: ClassVar = {"test": Scope.TESTS}

    def get_rows(self) -> QuerySet[Channel]:
        return Channel.objects.with_connection()

    @extend_schema(responses={201: CreatedChannelSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create one; only this answer shows the secret of a webhook."""
        response = super().create(request, *args, **kwargs)
        response.data["secret"] = self._secret or None
        response["Cache-Control"] = "no-store"
        return response

    def perform_create(self, serializer: BaseSerializer[Channel]) -> Channel:
        channel = create_channel(**{"config": {}, **serializer.validated_data})
        self._secret = channel.secret
        return channel

    def perform_update(self, serializer: BaseSerializer[Channel]) -> Channel:
        assert serializer.instance is not None
        changes = {name: value for name, value in serializer.validated_data.items() if name != "kind"}
        return update_channel(serializer.instance.pk, **changes, expected_version=self.expected_version)

    def perform_destroy(self, instance: Channel) -> None:
        delete_channel(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=None, responses=RotatedSecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Make a new secret for a webhook; the old one signs along for a day."""
        channel = self.get_object()
        secret = rotate_secret(channel.pk)
        channel.refresh_from_db()
        shown = RotatedSecretSerializer({"secret": secret, "old_secret_until": channel.old_secret_until}).data
        return Response(shown, headers={"Cache-Control": "no-store"})

    @extend_schema(request=None, responses=DeliveryResultSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a message marked as a test now, and give what became of it."""
        return Response(DeliveryResultSerializer(send_test_message(self.get_object().pk)).data)
