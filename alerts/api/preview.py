"""What a preview takes and gives over REST."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rest_framework import serializers

from alerts.models import AlertRule
from alerts.results import PreviewResult
from alerts.services.preview import MOST_EVENTS, preview_rule
from siteadmin.core.exceptions import ValidationError
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.serializers import StrictSerializer

LONGEST_PREVIEW_DAYS = 366


class PreviewRequestSerializer(StrictSerializer):
    """Which past events are judged."""

    days = serializers.IntegerField(min_value=1, max_value=LONGEST_PREVIEW_DAYS, required=False)
    event_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        required=False,
        allow_empty=False,
        max_length=MOST_EVENTS,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one of both."""
        if ("days" in attrs) == ("event_ids" in attrs):
            raise serializers.ValidationError({"days": "Give either days or event_ids."}, code="required")
        return attrs


class PreviewMatchSerializer(StrictSerializer):
    """What the rule would have held for."""

    event = serializers.IntegerField(source="event_id", allow_null=True)
    change = serializers.IntegerField(
        source="change_id", allow_null=True, help_text="The camera's change of status, for camera triggers."
    )
    camera = serializers.CharField(source="camera_id")
    at = serializers.DateTimeField(help_text="When it would have held first.")
    outcome = serializers.ChoiceField(choices=["fired", "duplicate", "suppressed"])
    reason = serializers.CharField(help_text="Why nobody would have been told.")
    dedup_key = serializers.CharField()
    matched_conditions = serializers.ListField(child=serializers.CharField())
    duplicate_of = serializers.IntegerField(
        allow_null=True, help_text="The event, or the change, that would have had the alert."
    )


class PreviewMissSerializer(StrictSerializer):
    """What the rule would not have held for."""

    event = serializers.IntegerField(source="event_id", allow_null=True)
    change = serializers.IntegerField(source="change_id", allow_null=True)
    camera = serializers.CharField(source="camera_id")
    at = serializers.DateTimeField()
    matched_conditions = serializers.ListField(child=serializers.CharField())
    reasons_not = serializers.ListField(child=serializers.CharField())


class PreviewResultSerializer(StrictSerializer):
    """What a rule would have made of past events."""

    events = serializers.IntegerField(source="event_count", help_text="How many events, or changes, were judged.")
    truncated = serializers.BooleanField(source="is_cut", help_text="Whether there were more than are looked at.")
    alerts = serializers.IntegerField(source="counts.fired", help_text="How many alerts the cooldown would have left.")
    duplicates = serializers.IntegerField(source="counts.duplicate")
    suppressed = serializers.IntegerField(source="counts.suppressed")
    matches = PreviewMatchSerializer(many=True)
    misses = PreviewMissSerializer(many=True)


@contextmanager
def errors_under(name: str) -> Iterator[None]:
    """Name fields that are refused as they stand in the body: below this one."""
    try:
        yield
    except ValidationError as refusal:
        errors = [{**error, "field": f"{name}.{error['field']}"} for error in refusal.errors]
        raise ValidationError(refusal.message, errors=errors) from refusal


def show_preview(
    rule: AlertRule, said: Mapping[str, Any], *, channel_ids: list[int], camera_ids: frozenset[str] | None
) -> dict[str, Any]:
    """Judge the events asked for, and give the answer's body."""
    result: PreviewResult = preview_rule(rule, channel_ids=channel_ids, camera_ids=camera_ids, **said)
    shown: dict[str, Any] = dict(PreviewResultSerializer(result).data)
    return shown
