"""People's feedback on one event."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from events.choices import RiskLevel, Verdict
from events.models import Event, EventFeedback
from events.services import feedback as service
from siteadmin.core.serializers import StrictModelSerializer
from siteadmin.core.viewsets import BaseViewSet

WHO_LENGTH = 200


class FeedbackSerializer(StrictModelSerializer[EventFeedback]):
    """What a person says of an event; `expected_level` goes with `severity_wrong`, and that with it."""

    event: Any = serializers.IntegerField(source="event_id", read_only=True)
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    expected_level = serializers.ChoiceField(choices=RiskLevel.choices, allow_null=True, required=False)

    class Meta:
        model = EventFeedback
        fields = ("event", "verdict", "expected_level", "given_by", "created_at", "updated_at")
        read_only_fields = ("given_by", "created_at", "updated_at")


class EventFeedbackMixin(BaseViewSet[Event]):
    """GET, POST, PATCH and DELETE on the one feedback of an event."""

    @extend_schema(responses=FeedbackSerializer)
    @action(detail=True)
    def feedback(self, request: Request, pk: str) -> Response:
        """Give what was said of the event."""
        return Response(FeedbackSerializer(service.get_feedback(self.get_object().pk)).data)

    @extend_schema(request=FeedbackSerializer, responses={201: FeedbackSerializer})
    @feedback.mapping.post
    def give_feedback(self, request: Request, pk: str) -> Response:
        """Say something of the event; 409 where somebody did already."""
        event = self.get_object()
        values = _validated(FeedbackSerializer(data=request.data))
        made = service.give_feedback(event.pk, **values, given_by=_who(request))
        return Response(FeedbackSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FeedbackSerializer, responses=FeedbackSerializer)
    @feedback.mapping.patch
    def change_feedback(self, request: Request, pk: str) -> Response:
        """Say something else."""
        event = self.get_object()
        values = _validated(FeedbackSerializer(service.get_feedback(event.pk), data=request.data, partial=True))
        changed = service.change_feedback(event.pk, changes=values, given_by=_who(request))
        return Response(FeedbackSerializer(changed).data)

    @extend_schema(responses={204: None})
    @feedback.mapping.delete
    def remove_feedback(self, request: Request, pk: str) -> Response:
        """Take it back."""
        service.remove_feedback(self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _validated(serializer: FeedbackSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _who(request: Request) -> str:
    return str(request.user)[:WHO_LENGTH]
