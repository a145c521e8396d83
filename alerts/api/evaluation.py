"""What became of every rule for one event, over REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.choices import Decision, Severity
from alerts.services.explanation import NOT_JUDGED, explain_event
from events.models import Event
from siteadmin.core.exceptions import EventNotFoundError
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictSerializer
from siteadmin.core.viewsets import BaseViewSet

SKIPPED = [one.value for one in Decision if one is not Decision.FIRED]


class FiredRuleSerializer(StrictSerializer):
    """A rule that fired, and the alert that it made."""

    rule = serializers.IntegerField(source="rule_id")
    rule_name = serializers.CharField()
    severity = serializers.ChoiceField(choices=Severity.choices)
    reason = serializers.CharField(help_text="By which conditions, in plain words.")
    alert = serializers.IntegerField(source="alert.pk", allow_null=True, default=None)
    dedup_key = serializers.CharField(source="alert.dedup_key", allow_null=True, default=None)
    decided_at = serializers.DateTimeField()


class SkippedRuleSerializer(StrictSerializer):
    """A rule that did not fire, or not yet."""

    rule = serializers.IntegerField(source="rule_id")
    rule_name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[*SKIPPED, NOT_JUDGED])
    reason = serializers.CharField(help_text="Why, in plain words.")
    alert = serializers.IntegerField(
        source="alert.pk", allow_null=True, default=None, help_text="The suppressed one or, for a duplicate, the first."
    )
    decided_at = serializers.DateTimeField(allow_null=True, help_text="null while it may still fire.")


class EventEvaluationSerializer(StrictSerializer):
    """What became of every rule."""

    event = serializers.IntegerField()
    has_triggers = serializers.BooleanField()
    highest_severity = serializers.ChoiceField(choices=Severity.choices, allow_null=True)
    triggered_rules = FiredRuleSerializer(many=True)
    skipped_rules = SkippedRuleSerializer(many=True)


class EventEvaluationViewSet(BaseViewSet[Event]):
    """Seen by whoever may see the rules: operators that are not limited to cameras, as rules belong to none."""

    serializer_class = EventEvaluationSerializer
    not_found = EventNotFoundError
    required_roles: ClassVar = {"retrieve": Role.OPERATOR}

    def get_rows(self) -> QuerySet[Event]:
        """Give the events that people see."""
        return Event.objects.for_api()

    @extend_schema(responses=EventEvaluationSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say of every rule why it fired for the event or did not."""
        event = self.get_object()
        found = explain_event(event)
        values = {
            "event": event.pk,
            "has_triggers": bool(found.fired),
            "highest_severity": found.highest_severity,
            "triggered_rules": found.fired,
            "skipped_rules": found.skipped,
        }
        return Response(self.get_serializer(values).data)
