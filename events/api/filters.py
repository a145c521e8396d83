"""Query parameters of the lists of events and detections."""

from typing import Any

from django.db.models import QuerySet

from events.choices import RiskLevel
from events.models import Event
from siteadmin.core.filters import (
    FlagFilter,
    InstantFilter,
    IntegerFilter,
    MultiIdFilter,
    MultiValueFilter,
    NumberFilter,
    StrictFilterSet,
)


class EventFilter(StrictFilterSet):
    """What narrows the list of events; all that is given holds together."""

    ranges = (("started_after", "started_before"), ("min_risk", "max_risk"))

    camera = MultiValueFilter(field_name="camera_id")
    risk_level = MultiValueFilter(field_name="risk_level", choices=RiskLevel.choices)
    min_risk = IntegerFilter(field_name="risk_score", lookup_expr="gte", min_value=0, max_value=100)
    max_risk = IntegerFilter(field_name="risk_score", lookup_expr="lte", min_value=0, max_value=100)
    object_type = MultiValueFilter(field_name="object_types", lookup_expr="overlap")
    zone = MultiIdFilter(field_name="zones", lookup_expr="overlap")
    reviewed = FlagFilter(field_name="reviewed")
    kept = FlagFilter(field_name="kept")
    started_after = InstantFilter(field_name="started_at", method="by_start")
    started_before = InstantFilter(field_name="started_at", lookup_expr="lt")
    overlaps = FlagFilter(
        method="by_nothing", label="With `started_after`: also events that began before it and were not over yet."
    )

    def by_start(self, queryset: QuerySet[Event], name: str, value: Any) -> QuerySet[Event]:
        """Keep events that began at this time or later; with `overlaps` also those that were still going on."""
        field = "ended_at" if self.form.cleaned_data.get("overlaps") else name
        return queryset.filter(**{f"{field}__gte": value})

    def by_nothing(self, queryset: QuerySet[Event], name: str, value: Any) -> QuerySet[Event]:
        """Leave the rows as they are; `started_after` reads the flag."""
        return queryset


class DetectionFilter(StrictFilterSet):
    """What narrows the list of detections; all that is given holds together."""

    ranges = (("detected_after", "detected_before"),)

    camera = MultiValueFilter(field_name="camera_id")
    event = MultiIdFilter(field_name="event_id")
    object_type = MultiValueFilter(field_name="object_type")
    min_confidence = NumberFilter(field_name="confidence", lookup_expr="gte", min_value=0, max_value=1)
    zone = MultiIdFilter(field_name="zones", lookup_expr="overlap")
    detected_after = InstantFilter(field_name="detected_at", lookup_expr="gte")
    detected_before = InstantFilter(field_name="detected_at", lookup_expr="lt")
