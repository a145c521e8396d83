"""Fields that several resources of the alerts share."""

from typing import Any

from rest_framework import serializers

from alerts.choices import DAYS
from alerts.schedules import ScheduleError, parse_schedule
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.serializers import ChoiceField, StrictSerializer

MOST_ITEMS = 1000
"""Cameras, zones, types or channels of one rule."""


class SetField(serializers.ListField):
    """Values, each once, in the order in which they came."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Leave out what is said twice."""
        return list(dict.fromkeys(super().to_internal_value(data)))


def words(*, help_text: str | None = None) -> SetField:
    """Make a field of short texts that may be left out."""
    return SetField(
        child=serializers.CharField(max_length=64), required=False, max_length=MOST_ITEMS, help_text=help_text
    )


def ids() -> SetField:
    """Make a field of ids that may be left out."""
    return SetField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False, max_length=MOST_ITEMS
    )


class ScheduleSerializer(StrictSerializer):
    """Local wall-clock times, the end excluded; a span over midnight belongs to the day it starts on."""

    days = serializers.ListField(child=ChoiceField(choices=DAYS), required=False, help_text="None: every day.")
    start = serializers.CharField(help_text="HH:MM")
    end = serializers.CharField(help_text="HH:MM, 24:00 for the end of the day")
    timezone = serializers.CharField(max_length=64, help_text="IANA zone, such as Europe/Berlin")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Give the schedule as it is stored."""
        try:
            return parse_schedule(attrs).as_json()
        except ScheduleError as error:
            raise serializers.ValidationError({name or "start": text for name, text in error.errors.items()}) from error
