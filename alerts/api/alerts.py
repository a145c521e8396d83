"""Alerts over REST: read by viewers, acknowledged and dismissed by reviewers."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import F, QuerySet, Subquery
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.choices import LONGEST_SNOOZE_MINUTES, AlertStatus, Severity
from alerts.models import Alert, Escalation, RuleDecision
from alerts.services.lifecycle import ActOutcome, acknowledge_alert, act_on_alerts, dismiss_alert, snooze_alert
from siteadmin.core.exceptions import AlertNotFoundError
from siteadmin.core.filters import InstantFilter, MultiIdFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.json_sql import InstantText, JsonObject
from siteadmin.core.pagination import ListPagination
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.roles import Role
from siteadmin.core.serializers import ChoiceField, StrictModelSerializer, StrictSerializer, VersionField, WhoField
from siteadmin.core.viewsets import ChangeMixin, ReadViewSet

MOST_AT_ONCE = 1000
"""Alerts of one bulk request."""


class WaitingEscalationSerializer(StrictSerializer):
    """The step that is taken next, unless somebody answers before."""

    step = serializers.IntegerField(source="position")
    due_at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="Why it waits for longer than the step says.")

    def as_column(self, column: F) -> Subquery:
        """Have the database give the same."""
        shown = JsonObject(step=F("position"), due_at=InstantText(F("due_at")), reason=F("reason"))
        return Subquery(Escalation.objects.all().waiting_of_outer_alert().order_by().values_list(shown))


class AlertSerializer(StrictModelSerializer[Alert]):
    """An alert; the pipeline writes it, people acknowledge or dismiss it."""

    escalation = WaitingEscalationSerializer(
        source="waiting_escalation", read_only=True, allow_null=True, help_text="null where no step waits."
    )
    matched_conditions = serializers.ListField(child=serializers.CharField(), read_only=True)
    acknowledged_by = WhoField()
    dismissed_by = WhoField()
    snoozed_by = WhoField()

    class Meta:
        model = Alert
        fields = [
            "id",
            "event",
            "rule",
            "rule_name",
            "camera",
            "trigger",
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
            "snoozed_by",
            "snoozed_at",
            "snoozed_until",
            "escalation",
            "note",
            "version",
        ]
        read_only_fields = fields


class AlertActionSerializer(StrictSerializer):
    """What somebody says along."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    version = VersionField()


class AlertSnoozeSerializer(AlertActionSerializer):
    """For how long."""

    minutes = serializers.IntegerField(min_value=1, max_value=LONGEST_SNOOZE_MINUTES)


class BulkAlertSerializer(StrictSerializer):
    """Which alerts, and what is done with them."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        allow_empty=False,
        min_length=1,
        max_length=MOST_AT_ONCE,
    )
    action = ChoiceField(choices=["acknowledge", "dismiss", "snooze"])
    minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_SNOOZE_MINUTES, required=False, help_text="For snooze."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take minutes for a snooze alone."""
        if ("minutes" in attrs) != (attrs["action"] == "snooze"):
            raise serializers.ValidationError({"minutes": "Give them for a snooze, and for nothing else."})
        return attrs


class BulkAlertAnswerSerializer(StrictSerializer):
    """A result for each."""

    results = inline_serializer(
        "BulkAlertResult",
        fields={
            "id": serializers.IntegerField(),
            "status": serializers.IntegerField(help_text="The HTTP status of this one."),
            "code": serializers.CharField(required=False),
            "detail": serializers.CharField(required=False),
        },
        many=True,
    )


class DuplicateSerializer(StrictModelSerializer[RuleDecision]):
    """An event, or a camera's change of status, that would have made the same alert again."""

    event = serializers.SerializerMethodField()
    camera = serializers.SerializerMethodField()
    rule_name = serializers.CharField(source="rule.name", read_only=True)
    created_at = serializers.DateTimeField(source="decided_at", read_only=True)

    class Meta:
        model = RuleDecision
        fields = ["id", "event", "change", "camera", "rule", "rule_name", "reason", "created_at"]
        read_only_fields = fields

    def get_event(self, decision: RuleDecision) -> int | None:
        """Give the event, or the one that it was merged into."""
        return decision.event_id if decision.event is None else decision.event.merged_into_id or decision.event_id

    def get_camera(self, decision: RuleDecision) -> str | None:
        """Give the camera that it happened at."""
        cause = decision.event or decision.change
        return None if cause is None else cause.camera_id


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


class AlertViewSet(ReadViewSet[Alert], ChangeMixin[Alert]):
    """Alerts, newest first."""

    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    has_fixed_rows = True
    not_found = AlertNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("created_at",)
    query_parameters: ClassVar = {"duplicates": ListPagination.parameters}
    picking_actions = ("list", "retrieve", "duplicates")
    required_roles: ClassVar = {
        "acknowledge": Role.REVIEWER,
        "dismiss": Role.REVIEWER,
        "snooze": Role.REVIEWER,
        "bulk": Role.REVIEWER,
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

    @extend_schema(request=AlertSnoozeSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str) -> Response:
        """Send nothing for so many minutes, for it and for more under its key; until it is dismissed."""
        return self._act(snooze_alert, request, says=AlertSnoozeSerializer)

    @extend_schema(request=BulkAlertSerializer, responses={207: BulkAlertAnswerSerializer}, filters=False)
    @action(detail=False, methods=["patch"])
    def bulk(self, request: Request) -> Response:
        """Acknowledge, dismiss or snooze up to 1000 alerts; each is answered on its own."""
        said = BulkAlertSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        values = dict(said.validated_data)
        ids, act = dict.fromkeys(values.pop("ids")), ACTS[values.pop("action")]
        outcomes = act_on_alerts(act, ids, camera_ids=self.access.camera_ids, by=request.user, **values)
        return Response({"results": [_show(one) for one in outcomes]}, status=status.HTTP_207_MULTI_STATUS)

    @extend_schema(responses=DuplicateSerializer(many=True), filters=False)
    @action(detail=True, serializer_class=DuplicateSerializer)
    def duplicates(self, request: Request, pk: str) -> Response:
        """List the events within its cooldown that made no alert of their own, newest first."""
        rows = RuleDecision.objects.duplicates_of(self.get_object().pk)
        if self.access.camera_ids is not None:  # a key may be shared by cameras
            rows = rows.of_cameras(self.access.camera_ids)
        return self.answer_page(rows)

    def _act(
        self,
        act: Callable[..., Alert],
        request: Request,
        *,
        says: type[AlertActionSerializer] = AlertActionSerializer,
    ) -> Response:
        said = says(data=request.data)
        alert = self.get_object()
        said.is_valid(raise_exception=True)
        values = dict(said.validated_data)
        with self.expecting(alert, stated=values.pop("version", None)):
            alert = act(alert.pk, by=request.user, version=self.expected_version, **values)
        return self.answer(alert)


ACTS: dict[str, Callable[..., Alert]] = {
    "acknowledge": acknowledge_alert,
    "dismiss": dismiss_alert,
    "snooze": snooze_alert,
}


def _show(outcome: ActOutcome) -> dict[str, Any]:
    error = outcome.error
    if error is None:
        return {"id": outcome.alert_id, "status": status.HTTP_200_OK}
    return {
        "id": outcome.alert_id,
        "status": error.default_status_code,
        "code": error.default_error_code,
        "detail": error.message,
    }
