"""Alerts over REST: read by viewers, acknowledged and dismissed by reviewers."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.choices import AlertStatus, Severity
from alerts.models import Alert, RuleDecision
from alerts.services.lifecycle import acknowledge_alert, dismiss_alert
from siteadmin.core.exceptions import AlertNotFoundError
from siteadmin.core.filters import InstantFilter, MultiIdFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.pagination import ListPagination
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer
from siteadmin.core.viewsets import ReadViewSet


class AlertSerializer(StrictModelSerializer[Alert]):
    """An alert; the pipeline writes it, people acknowledge or dismiss it."""

    matched_conditions = serializers.ListField(child=serializers.CharField(), read_only=True)
    acknowledged_by = serializers.CharField(read_only=True, allow_null=True, help_text="A user, or key:NAME.")
    dismissed_by = serializers.CharField(read_only=True, allow_null=True, help_text="A user, or key:NAME.")

    class Meta:
        model = Alert
        fields = [
            "id",
            "event",
            "rule",
            "rule_name",
            "camera",
            "severity",
            "status",
            "dedup_key",
            "matched_conditions",
            "suppressed_count",
            "suppression_reason",
            "created_at",
            "delivered_at",
            "acknowledged_by",
            "acknowledged_at",
            "dismissed_by",
            "dismissed_at",
            "note",
            "version",
        ]
        read_only_fields = fields

    def to_representation(self, alert: Alert) -> dict[str, Any]:
        """Give nobody as null."""
        shown = super().to_representation(alert)
        return shown | {name: shown[name] or None for name in ("acknowledged_by", "dismissed_by") if name in shown}


class AlertActionSerializer(StrictSerializer):
    """What somebody says along."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="Only where nobody changed the alert since this version."
    )


class DuplicateSerializer(StrictModelSerializer[RuleDecision]):
    """An event that would have made the same alert again."""

    event = serializers.SerializerMethodField()
    rule_name = serializers.CharField(source="rule.name", read_only=True)
    created_at = serializers.DateTimeField(source="decided_at", read_only=True)

    class Meta:
        model = RuleDecision
        fields = ["id", "event", "rule", "rule_name", "reason", "created_at"]
        read_only_fields = fields

    def get_event(self, decision: RuleDecision) -> int:
        """Give the event, or the one that it was merged into."""
        return decision.event.merged_into_id or decision.event_id


class AlertFilter(StrictFilterSet):
    """Parameters of the list."""

    ranges = (("created_after", "created_before"),)

    status = MultiValueFilter(field_name="status", choices=AlertStatus.choices)
    severity = MultiValueFilter(field_name="severity", choices=Severity.choices)
    camera = MultiValueFilter(field_name="camera_id")
    rule = MultiIdFilter(field_name="rule_id")
    event = MultiIdFilter(field_name="event_id")
    created_after = InstantFilter(field_name="created_at", lookup_expr="gte")
    created_before = InstantFilter(field_name="created_at", lookup_expr="lt")


class AlertViewSet(ReadViewSet[Alert]):
    """Alerts, newest first."""

    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    not_found = AlertNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("created_at",)
    query_parameters: ClassVar = {"duplicates": ListPagination.parameters}
    required_roles: ClassVar = {
        "acknowledge": Role.REVIEWER,
        "dismiss": Role.REVIEWER,
        "duplicates": Role.VIEWER,
    }

    def get_rows(self) -> QuerySet[Alert]:
        """Give the alerts of cameras that are not deleted."""
        return Alert.objects.for_api()

    @extend_schema(request=AlertActionSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Note that somebody knows; from pending or delivered."""
        return self._act(acknowledge_alert, request)

    @extend_schema(request=AlertActionSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str) -> Response:
        """Put the alert aside; also from acknowledged. What of it still waits to be sent is skipped."""
        return self._act(dismiss_alert, request)

    @extend_schema(responses=DuplicateSerializer(many=True), filters=False)
    @action(detail=True, serializer_class=DuplicateSerializer)
    def duplicates(self, request: Request, pk: str) -> Response:
        """List the events within its cooldown that made no alert of their own, newest first."""
        rows = RuleDecision.objects.duplicates_of(self.get_object().pk)
        if self.access.camera_ids is not None:  # a key may be shared by cameras
            rows = rows.of_cameras(self.access.camera_ids)
        page: Any = self.paginate_queryset(rows)  # type: ignore[arg-type]  # rows of another model than the view's
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def _act(self, act: Callable[..., Alert], request: Request) -> Response:
        said = AlertActionSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        alert = act(self.get_object().pk, by=request.user, **said.validated_data)
        return Response(AlertSerializer(alert).data)
