"""Events counted by day, and as a file."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from events.api.exports import ExportSerializer
from events.filters import EventFilter, parse_zone
from events.models import Event
from events.services.counting import DayCount, choose_range, count_by_day, totals_of
from events.services.export_jobs import request_export
from events.services.exporting import write_events
from siteadmin.core.exceptions import InvalidInputError
from siteadmin.core.exporting import EXPORT_FORMAT, EXPORT_RESPONSES, answer_file, read_form
from siteadmin.core.filters import StrictFilterBackend, parse_instant
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.viewsets import BaseViewSet


class LevelCountSerializer(serializers.Serializer[Any]):
    """Events of one level."""

    reviewed = serializers.IntegerField()
    unreviewed = serializers.IntegerField()


class LevelCountsSerializer(serializers.Serializer[Any]):
    """Events by level; `none`: not scored yet."""

    low = LevelCountSerializer()
    medium = LevelCountSerializer()
    high = LevelCountSerializer()
    critical = LevelCountSerializer()
    none = LevelCountSerializer()


class DayCountSerializer(serializers.Serializer[Any]):
    """One local day, or the part of it that lies in the range; the list with these bounds gives as many."""

    day = serializers.DateField()
    started_after = serializers.DateTimeField()
    started_before = serializers.DateTimeField()
    total = serializers.SerializerMethodField()
    reviewed = serializers.SerializerMethodField()
    unreviewed = serializers.SerializerMethodField()
    levels = LevelCountsSerializer()

    def get_total(self, day: DayCount) -> int:
        """Count all."""
        return sum(totals_of([day]))

    def get_reviewed(self, day: DayCount) -> int:
        """Count what somebody looked at."""
        return totals_of([day])[0]

    def get_unreviewed(self, day: DayCount) -> int:
        """Count what nobody looked at."""
        return totals_of([day])[1]


class SummarySerializer(serializers.Serializer[Any]):
    """Events by local day of their start and level, the oldest day first, days without any included."""

    tz = serializers.CharField()
    started_after = serializers.DateTimeField()
    started_before = serializers.DateTimeField()
    total = serializers.IntegerField()
    reviewed = serializers.IntegerField()
    unreviewed = serializers.IntegerField()
    days = DayCountSerializer(many=True)


class EventReportsMixin(BaseViewSet[Event]):
    """GET on the summary and on the export."""

    @extend_schema(filters=True, responses=SummarySerializer)
    @action(detail=False, pagination_class=None, filter_backends=[StrictFilterBackend])
    def summary(self, request: Request) -> Response:
        """Count events by local day and level: the last 30 days, or a range of up to 400."""
        events = self.filter_queryset(self.get_queryset())
        text = request.query_params.get("tz", "").strip()
        zone = parse_zone(text) if text else ZoneInfo(settings.TIME_ZONE)
        given = {name: _instant(request, name) for name in ("started_after", "started_before")}
        start, end = choose_range(given["started_after"], given["started_before"], zone=zone, now=timezone.now())
        days = count_by_day(events, start=start, end=end, zone=zone)
        reviewed, unreviewed = totals_of(days)
        counted = {
            "tz": zone.key,
            "started_after": start,
            "started_before": end,
            "total": reviewed + unreviewed,
            "reviewed": reviewed,
            "unreviewed": unreviewed,
            "days": days,
        }
        return Response(SummarySerializer(counted).data)

    @extend_schema(
        filters=True,
        parameters=[EXPORT_FORMAT],
        responses=EXPORT_RESPONSES,
    )
    @action(
        detail=False,
        pagination_class=None,
        filter_backends=[StrictFilterBackend],
        content_negotiation_class=AnyAnswerNegotiation,
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """Write all events that the list would give, newest first, as CSV or JSON Lines."""
        form = read_form(request)
        events = self.filter_queryset(self.get_queryset())
        return answer_file(write_events(events, form=form), name="events", form=form, at=timezone.now())

    @extend_schema(filters=True, parameters=[EXPORT_FORMAT], request=None, responses={202: ExportSerializer})
    @export.mapping.post
    def request_export(self, request: Request) -> Response:
        """Have them written in the background, for what takes long; `file` of the answer is where it is fetched."""
        form = read_form(request)
        given = {name: values for name, values in request.query_params.lists() if name in EventFilter.base_filters}
        export = request_export(
            self.filter_queryset(self.get_queryset()),
            form=form,
            parameters=given,
            camera_ids=None if self.access.camera_ids is None else sorted(self.access.camera_ids),
            requested_by=request.user.get_username(),
        )
        answer = ExportSerializer(export, context={"request": request}).data
        return Response(answer, status=status.HTTP_202_ACCEPTED, headers={"Location": f"/api/exports/{export.pk}"})


def _instant(request: Request, name: str) -> datetime | None:
    """Read a time that the filters have checked."""
    text = request.query_params.get(name, "")
    try:
        return parse_instant(text) if text else None
    except DjangoValidationError as error:  # pragma: no cover - the filters refuse it first
        raise InvalidInputError(str(error)) from error
