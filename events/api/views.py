"""Events, detections, and a look through the detector's eyes."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError as RestValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from events.api.feedback import EventFeedbackMixin
from events.api.parameters import read_annotated, read_width
from events.api.pictures import answer_picture
from events.api.reports import EventReportsMixin
from events.api.serializers import (
    BulkAnswerSerializer,
    BulkDetectionsSerializer,
    BulkReviewSerializer,
    DetectAnswerSerializer,
    DetectionSerializer,
    DetectRequestSerializer,
    EventSerializer,
    ExternalDetectionSerializer,
    IdsSerializer,
)
from events.filters import DetectionFilter, EventFilter
from events.models import Detection, Event
from events.services.bulk import record_detections
from events.services.inspection import inspect_file, inspect_picture
from events.services.pictures import LARGEST_WIDTH, SMALLEST_WIDTH, plan_detection_crop, plan_event_picture
from events.services.review import (
    EDITABLE,
    ReviewOutcome,
    delete_event,
    delete_events,
    restore_event,
    update_event,
    update_events,
)
from siteadmin.core.authentication import UPLOAD_AUTHENTICATION
from siteadmin.core.exceptions import DetectionNotFoundError, EventNotFoundError
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.pagination import ListPagination
from siteadmin.core.problems import problem_of
from siteadmin.core.roles import Role
from siteadmin.core.throttling import Scope
from siteadmin.core.viewsets import BaseViewSet, DestroyMixin, PatchMixin, ReadViewSet

PICTURE = {(200, "image/jpeg"): OpenApiTypes.BINARY}
WIDTH = OpenApiParameter(
    "width",
    {"type": "integer", "minimum": SMALLEST_WIDTH, "maximum": LARGEST_WIDTH},
    description="Scale the picture down to this many pixels.",
)
ANNOTATED = OpenApiParameter("annotated", bool, description="Draw the boxes of what was seen (default: true).")


class EventViewSet(EventReportsMixin, EventFeedbackMixin, ReadViewSet[Event], PatchMixin[Event], DestroyMixin[Event]):
    """Events: read by viewers, reviewed by reviewers, deleted by operators."""

    queryset = Event.objects.for_api()
    serializer_class = EventSerializer
    filterset_class = EventFilter
    has_fixed_rows = True
    not_found = EventNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("started_at", "risk_score")
    query_parameters: ClassVar = {
        "image": {"annotated", "width"},
        "detections": ListPagination.parameters,
    }
    picking_actions = ("list", "retrieve", "detections")
    filtered_actions = ("list", "summary", "export", "request_export")
    bodiless_actions = ("restore", "request_export")
    media_actions = ("image",)
    throttle_scopes: ClassVar = dict.fromkeys(("summary", "export", "request_export"), Scope.SEARCHES)
    required_roles: ClassVar = {
        "partial_update": Role.REVIEWER,
        "image": Role.VIEWER,
        "detections": Role.VIEWER,
        "restore": Role.OPERATOR,
        "bulk": Role.REVIEWER,
        "bulk_delete": Role.OPERATOR,
        "summary": Role.VIEWER,
        "export": Role.VIEWER,
        "request_export": Role.VIEWER,
        "feedback": Role.VIEWER,
        "give_feedback": Role.REVIEWER,
        "change_feedback": Role.REVIEWER,
        "remove_feedback": Role.REVIEWER,
    }

    def known_query_parameters(self) -> set[str]:
        """Give what this action takes; a summary counts by start alone, so that nothing overlaps its range."""
        known = super().known_query_parameters()
        return known - {"overlaps"} if self.action == "summary" else known

    def get_rows(self) -> QuerySet[Event]:
        """Give what people see; for restoring also what was deleted."""
        if self.action == "restore":
            return Event.objects.deleted_too()
        rows = Event.objects.for_api()
        return rows.with_picture() if self.action == "image" else rows

    def perform_update(self, serializer: BaseSerializer[Event]) -> Event:
        """Write what a person decided."""
        assert serializer.instance is not None
        changes = {name: value for name, value in serializer.validated_data.items() if name in EDITABLE}
        return update_event(
            serializer.instance.pk, changes=changes, actor=self.request.user, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Event) -> None:
        """Hide the event until it is restored."""
        delete_event(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=None, responses=EventSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Show a deleted event again."""
        return self.answer(restore_event(self.get_object().pk))

    @extend_schema(responses=DetectionSerializer(many=True), filters=False)
    @action(detail=True, serializer_class=DetectionSerializer)
    def detections(self, request: Request, pk: str) -> Response:
        """List what was seen, first come first."""
        rows: Any = Detection.objects.of_event(self.get_object().pk)
        return self.answer_page(rows)

    @extend_schema(parameters=[ANNOTATED, WIDTH], responses=PICTURE)
    @action(detail=True, content_negotiation_class=AnyAnswerNegotiation)
    def image(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the key picture with a box around every object."""
        annotated, max_width = read_annotated(request), read_width(request)
        drawing = plan_event_picture(self.get_object(), annotated=annotated, max_width=max_width)
        return answer_picture(request, drawing)

    @extend_schema(request=BulkReviewSerializer, responses={207: BulkAnswerSerializer})
    @action(detail=False, methods=["patch"])
    def bulk(self, request: Request) -> Response:
        """Write the same decision on up to 1000 events."""
        values = _validated(BulkReviewSerializer(data=request.data))
        ids = values.pop("ids")
        outcomes = update_events(ids, changes=values, actor=request.user, camera_ids=self.access.camera_ids)
        return _answer_outcomes(outcomes, done=status.HTTP_200_OK)

    @extend_schema(request=IdsSerializer, responses={207: BulkAnswerSerializer})
    @bulk.mapping.delete
    def bulk_delete(self, request: Request) -> Response:
        """Hide up to 1000 events."""
        ids = _validated(IdsSerializer(data=request.data))["ids"]
        outcomes = delete_events(ids, camera_ids=self.access.camera_ids)
        return _answer_outcomes(outcomes, done=status.HTTP_204_NO_CONTENT)


class DetectionViewSet(ReadViewSet[Detection]):
    """Detections: read by viewers, sent by uploaders for cameras of their own."""

    queryset = Detection.objects.for_api()
    serializer_class = DetectionSerializer
    filterset_class = DetectionFilter
    has_fixed_rows = True
    not_found = DetectionNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("detected_at",)
    media_actions = ("image",)
    query_parameters: ClassVar = {"image": {"width"}}
    required_roles: ClassVar = {"image": Role.VIEWER, "bulk": Role.UPLOADER}
    throttle_scopes: ClassVar = {"bulk": Scope.UPLOADS}

    def get_rows(self) -> QuerySet[Detection]:
        """Give what belongs to nothing that was deleted."""
        rows = Detection.objects.for_api()
        return rows.with_snapshot() if self.action == "image" else rows

    @extend_schema(parameters=[WIDTH], responses=PICTURE)
    @action(detail=True, content_negotiation_class=AnyAnswerNegotiation)
    def image(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the part of the picture that shows the object."""
        drawing = plan_detection_crop(self.get_object(), max_width=read_width(request))
        return answer_picture(request, drawing)

    @extend_schema(request=BulkDetectionsSerializer, responses={207: BulkAnswerSerializer})
    @action(detail=False, methods=["post"], authentication_classes=UPLOAD_AUTHENTICATION)
    def bulk(self, request: Request) -> Response:
        """Take in up to 1000 detections of an external detector, each answered on its own."""
        results: dict[int, dict[str, Any]] = {}
        good = []
        for index, data in enumerate(_validated(BulkDetectionsSerializer(data=request.data))["detections"]):
            item = ExternalDetectionSerializer(data=data)
            try:
                item.is_valid(raise_exception=True)
            except RestValidationError as error:
                results[index] = {"index": index, **_problem_members(error)}
            else:
                good.append((index, item.to_detection()))
        outcomes = record_detections([item for _, item in good], camera_ids=self.access.camera_ids)
        for (index, _), outcome in zip(good, outcomes, strict=True):
            result: dict[str, Any] = {"index": index, "status": outcome.status}
            if outcome.error is None:
                result |= {"id": outcome.id, "event": outcome.event}
            else:
                result |= _problem_members(outcome.error)
            results[index] = result
        return Response({"results": [results[index] for index in sorted(results)]}, status=status.HTTP_207_MULTI_STATUS)


@extend_schema_view(create=extend_schema(request=DetectRequestSerializer, responses=DetectAnswerSerializer))
class DetectViewSet(BaseViewSet[Detection]):
    """What the detector sees on a picture; nothing is stored."""

    queryset = Detection.objects.none()
    serializer_class = DetectRequestSerializer
    may_find_nothing = ("create",)
    throttle_scopes: ClassVar = {"create": Scope.SEARCHES}
    asking_actions = ("create",)

    def create(self, request: Request) -> Response:
        """Look at a file inside the camera root, or at the one that was sent."""
        values = _validated(DetectRequestSerializer(data=request.data))
        path = values.get("image_path")
        seen = inspect_file(path) if path is not None else inspect_picture(values["file"].read())
        answer = {"frame": {"width": seen.width, "height": seen.height}, "detections": seen.objects}
        return Response(DetectAnswerSerializer(answer).data)


def _validated(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _answer_outcomes(outcomes: Iterable[ReviewOutcome], *, done: int) -> Response:
    results = [
        {"id": one.id, "status": done} if one.error is None else {"id": one.id, **_problem_members(one.error)}
        for one in outcomes
    ]
    return Response({"results": results}, status=status.HTTP_207_MULTI_STATUS)


def _problem_members(error: Exception) -> dict[str, Any]:
    problem = problem_of(error)
    members: dict[str, Any] = {"status": problem.status, "code": problem.code, "detail": problem.detail}
    return members if problem.errors is None else {**members, "errors": problem.errors}
