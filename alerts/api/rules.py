"""Alert rules over REST."""

import math
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from alerts.api.fields import MOST_ITEMS, ScheduleSerializer, SetField, ids, words
from alerts.api.preview import PreviewRequestSerializer, PreviewResultSerializer, errors_under, show_preview
from alerts.choices import LONGEST_ESCALATION_WAIT_SECONDS, MOST_ESCALATION_STEPS, Severity
from alerts.dedup_keys import TemplateError, check_template
from alerts.models import AlertRule
from alerts.services.rule_changes import check_rule, create_rule, delete_rule, update_rule
from siteadmin.core.exceptions import AlertRuleNotFoundError
from siteadmin.core.filters import FlagFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer, VersionField
from siteadmin.core.throttling import Scope
from siteadmin.core.viewsets import CrudViewSet


class EscalationStepSerializer(StrictSerializer):
    """Further channels, told when nobody has acknowledged or dismissed the alert by then."""

    wait_seconds = serializers.IntegerField(
        min_value=0, max_value=LONGEST_ESCALATION_WAIT_SECONDS, help_text="After the alert, or after the step before."
    )
    channel_ids = SetField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), min_length=1, max_length=MOST_ITEMS
    )


class AlertRuleSerializer(StrictModelSerializer[AlertRule]):
    """A rule: all conditions that are set must hold together."""

    camera_ids = words()
    object_types = words()
    zone_ids = ids()
    schedule = ScheduleSerializer(required=False, allow_null=True)
    modes = words(help_text="Names of modes, of which one must be active.")
    channel_ids = ids()
    escalation = serializers.ListField(
        child=EscalationStepSerializer(), required=False, max_length=MOST_ESCALATION_STEPS, source="escalation_chain"
    )
    last_fired_at = serializers.DateTimeField(read_only=True, allow_null=True)
    version = VersionField()

    class Meta:
        model = AlertRule
        fields = [
            "id",
            "name",
            "description",
            "enabled",
            "severity",
            "trigger",
            "risk_threshold",
            "camera_ids",
            "object_types",
            "min_confidence",
            "zone_ids",
            "schedule",
            "modes",
            "dedup_key_template",
            "cooldown_seconds",
            "channel_ids",
            "escalation",
            "last_fired_at",
            "created_at",
            "version",
        ]
        read_only_fields = ["created_at"]
        # A taken name is a conflict, which the service reports.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}

    def validate_min_confidence(self, value: float | None) -> float | None:
        """Refuse what is no number; every comparison with it fails."""
        if value is not None and not math.isfinite(value):
            raise serializers.ValidationError("A valid number is required.", code="invalid")
        return value

    def validate_dedup_key_template(self, value: str) -> str:
        """Refuse placeholders that are unknown or reach further."""
        try:
            check_template(value)
        except TemplateError as error:
            raise serializers.ValidationError(str(error), code="invalid_template") from error
        return value


class NewRulePreviewSerializer(PreviewRequestSerializer):
    """A rule that is not saved, and which past events are judged."""

    rule = AlertRuleSerializer()


class AlertRuleFilter(StrictFilterSet):
    """Parameters of the list."""

    enabled = FlagFilter(field_name="enabled")
    severity = MultiValueFilter(field_name="severity", choices=Severity.choices)


class AlertRuleViewSet(CrudViewSet[AlertRule]):
    """Rules: seen and managed by operators."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head", "options"]
    serializer_class = AlertRuleSerializer
    filterset_class = AlertRuleFilter
    not_found = AlertRuleNotFoundError
    ordering_fields = ("name", "created_at")
    asking_actions = ("preview", "preview_new")
    required_roles: ClassVar = dict.fromkeys(
        ("list", "retrieve", "metadata", "update", "preview", "preview_new"), Role.OPERATOR
    )

    throttle_scopes: ClassVar = dict.fromkeys(("preview", "preview_new"), Scope.SEARCHES)

    def get_rows(self) -> QuerySet[AlertRule]:
        """Give the rules with their channels."""
        return AlertRule.objects.with_channels().with_last_fired()

    @extend_schema(request=AlertRuleSerializer, responses=AlertRuleSerializer)
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a rule by all its required fields; what is left out stays."""
        return self.change(request, partial=False)

    def perform_create(self, serializer: BaseSerializer[AlertRule]) -> AlertRule:
        """Make the rule."""
        fields = dict(serializer.validated_data)
        return create_rule(
            channel_ids=fields.pop("channel_ids", ()), escalation=fields.pop("escalation_chain", ()), fields=fields
        )

    def perform_update(self, serializer: BaseSerializer[AlertRule]) -> AlertRule:
        """Change the rule."""
        assert serializer.instance is not None
        fields = dict(serializer.validated_data)
        return update_rule(
            serializer.instance.pk,
            channel_ids=fields.pop("channel_ids", None),
            escalation=fields.pop("escalation_chain", None),
            fields=fields,
            expected_version=self.expected_version,
        )

    def perform_destroy(self, instance: AlertRule) -> None:
        """Delete the rule."""
        delete_rule(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=PreviewRequestSerializer, responses=PreviewResultSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """Say for which past events the rule would have fired, and why not for others; writes nothing."""
        rule = self.get_object()
        said = PreviewRequestSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        body = show_preview(rule, said.validated_data, channel_ids=rule.channel_ids, camera_ids=self.access.camera_ids)
        return Response(body)

    @extend_schema(
        operation_id="alert_rules_preview_new",
        request=NewRulePreviewSerializer,
        responses=PreviewResultSerializer,
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="preview", url_name="preview-new")
    def preview_new(self, request: Request) -> Response:
        """The same for a rule that is not saved: its fields, and the events."""
        said = NewRulePreviewSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        events = dict(said.validated_data)
        fields = dict(events.pop("rule"))
        channel_ids, escalation = fields.pop("channel_ids", []), fields.pop("escalation_chain", ())
        with errors_under("rule"):
            check_rule(fields=fields, channel_ids=channel_ids, escalation=escalation)
        body = show_preview(AlertRule(**fields), events, channel_ids=channel_ids, camera_ids=self.access.camera_ids)
        return Response(body)
