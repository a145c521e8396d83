"""Query parameters of the lists of events and detections."""

import re
from datetime import time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from events.choices import LONGEST_QUERY, MOST_WORDS, RiskLevel
from events.models import Event
from siteadmin.core.filters import (
    FlagFilter,
    InstantFilter,
    IntegerFilter,
    MultiIdFilter,
    MultiValueFilter,
    NumberFilter,
    StrictFilterSet,
    TextFilter,
)
from siteadmin.core.timezones import find_zone

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)


def parse_zone(name: str) -> ZoneInfo:
    """Read the name of a time zone; raises ValidationError where there is none."""
    zone = find_zone(name)
    if zone is None:
        raise ValidationError(f"'{name}' is not a time zone, such as Europe/Berlin.", code="invalid")
    return zone


class ZoneField(forms.CharField):
    """The name of a time zone."""

    def to_python(self, value: Any) -> Any:
        """Give the zone, or None for nothing."""
        text = super().to_python(value)
        return parse_zone(text) if text else None


class TimeOfDayField(forms.CharField):
    """A span of a wall clock, such as 22:00-06:00."""

    def to_python(self, value: Any) -> Any:
        """Give start and end, midnight for 24:00 too; None for nothing."""
        text = super().to_python(value)
        if not text:
            return None
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValidationError("Enter a span of the day, such as 22:00-06:00.", code="invalid")
        first, last = found.group(1, 2), found.group(3, 4)
        try:
            start = time(int(first[0]), int(first[1]))
            end = time() if last == ("24", "00") else time(int(last[0]), int(last[1]))
        except ValueError as error:
            raise ValidationError("A time of day is 00:00 to 24:00.", code="invalid") from error
        if start == end and last != ("24", "00"):
            raise ValidationError("The span must not end where it starts.", code="invalid_range")
        return start, end


class WordsField(forms.CharField):
    """Words of a search; any text is one, within bounds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=LONGEST_QUERY, **kwargs)

    def validate(self, value: str) -> None:
        """Refuse more words than a search takes."""
        super().validate(value)
        if len(value.split()) > MOST_WORDS:
            raise ValidationError(f"At most {MOST_WORDS} words.", code="too_many")


class WordsFilter(TextFilter):
    """Rows by a search."""

    field_class = WordsField


class ZoneFilter(TextFilter):
    """Names the time zone that other parameters are read in."""

    field_class = ZoneField


class TimeOfDayFilter(TextFilter):
    """Rows by the wall clock."""

    field_class = TimeOfDayField
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$",
    }


class EventFilter(StrictFilterSet):
    """What narrows the list of events; all that is given holds together."""

    ranges = (("started_after", "started_before"), ("min_risk", "max_risk"))
    varying_methods = ("q", "started_after")

    camera = MultiValueFilter(field_name="camera_id")
    risk_level = MultiValueFilter(field_name="risk_level", choices=RiskLevel.choices, method="by_level")
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

    time_of_day = TimeOfDayFilter(
        method="by_clock", label="Began in this span of the day, its end not included, such as 22:00-06:00."
    )
    tz = ZoneFilter(method="by_nothing", label="The time zone of `time_of_day`; without it the site's.")
    q = WordsFilter(
        method="by_words",
        label='Words of summary, reasoning, notes, object types and camera name; "a phrase", or, -not.',
    )

    def by_level(self, queryset: QuerySet[Event], name: str, value: Any) -> QuerySet[Event]:
        """Keep events of these levels.

        Ordered by score, they are also narrowed to the levels' scores: the planner does not know that these go
        together, and would walk through all others to get there.
        """
        rows = queryset.filter(risk_level__in=value)
        if "risk_score" not in self.data.get("ordering", ""):
            return rows
        lowest, highest = zip(*(RiskLevel(level).scores for level in value), strict=True)
        return rows.filter(risk_score__range=(min(lowest), max(highest)))

    def by_clock(self, queryset: Any, name: str, value: Any) -> QuerySet[Event]:
        """Keep events that began in this span of the local day."""
        zone = self.values.get("tz") or ZoneInfo(settings.TIME_ZONE)
        rows: QuerySet[Event] = queryset.in_time_of_day(*value, zone=zone)
        return rows

    def by_words(self, queryset: Any, name: str, value: Any) -> QuerySet[Event]:
        """Keep what the search finds."""
        rows: QuerySet[Event] = queryset.matching(value)
        return rows

    def by_start(self, queryset: Any, name: str, value: Any) -> QuerySet[Event]:
        """Keep events that began at this time or later; with `overlaps` also those that were still going on."""
        rows: QuerySet[Event] = (
            queryset.going_on_from(value) if self.values.get("overlaps") else queryset.filter(started_at__gte=value)
        )
        return rows

    def varies(self, name: str) -> bool:
        """Tell which values may be parameters; what still went on is looked for by a computation with the time."""
        return super().varies(name) and not (name == "started_after" and self.values.get("overlaps"))

    def by_nothing(self, queryset: QuerySet[Event], name: str, value: Any) -> QuerySet[Event]:
        """Leave the rows as they are; other parameters read this one."""
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
