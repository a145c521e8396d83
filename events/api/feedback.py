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
from siteadmin.core.etags import answer_one
from siteadmin.core.serializers import ChoiceField, StrictModelSerializer, VersionField
from siteadmin.core.viewsets import ChangeMixin

WHO_LENGTH = 200


class FeedbackSerializer(StrictModelSerializer[EventFeedback]):
    """What a person says of an event; `expected_level` goes with `severity_wrong`, and that with it."""

    event: Any = serializers.IntegerField(source="event_id", read_only=True)
    verdict = ChoiceField(choices=Verdict.choices)
    expected_level = ChoiceField(choices=RiskLevel.choices, allow_null=True, required=False)
    version = VersionField()

    class Meta:
        model = EventFeedback
        fields = ("event", "verdict", "expected_level", "given_by", "created_at", "updated_at", "version")
        read_only_fields = ("given_by", "created_at", "updated_at")


class EventFeedbackMixin(ChangeMixin[Event]):
    """GET, POST, PATCH and DELETE on the one feedback of an event."""

    @extend_schema(responses=FeedbackSerializer)
    @action(detail=True)
    def feedback(self, request: Request, pk: str) -> Response:
        """Give what was said of the event."""
        return _answer(request, service.get_feedback(self.get_object().pk))

    @extend_schema(request=FeedbackSerializer, responses={201: FeedbackSerializer})
    @feedback.mapping.post
    def give_feedback(self, request: Request, pk: str) -> Response:
        """Say something of the event; 409 where somebody did already."""
        event = self.get_object()
        values = _validated(FeedbackSerializer(data=request.data))
        values.pop("version", None)
        made = service.give_feedback(event.pk, **values, given_by=_who(request))
        return Response(FeedbackSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FeedbackSerializer, responses=FeedbackSerializer)
    @feedback.mapping.patch
    def change_feedback(self, request: Request, pk: str) -> Response:
        """Say something else."""
        event = self.get_object()
        given = service.get_feedback(event.pk)
        values = _validated(FeedbackSerializer(given, data=request.data, partial=True))
        with self.expecting(given, stated=values.pop("version", None)):
            changed = service.change_feedback(
                event.pk, changes=values, given_by=_who(request), expected_version=self.expected_version
            )
        return _answer(request, changed)

    @extend_schema(responses={204: None})
    @feedback.mapping.delete
    def remove_feedback(self, request: Request, pk: str) -> Response:
        """Take it back."""
        event = self.get_object()
        with self.expecting(service.get_feedback(event.pk)):
            service.remove_feedback(event.pk, expected_version=self.expected_version)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _answer(request: Request, feedback: EventFeedback) -> Response:
    return answer_one(request, FeedbackSerializer(feedback).data, version=feedback.version)


def _validated(serializer: FeedbackSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _who(request: Request) -> str:
    return str(request.user)[:WHO_LENGTH]
