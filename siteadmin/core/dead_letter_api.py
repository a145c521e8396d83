"""Dead letters over REST: work that failed for good, requeued or discarded by operators."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from siteadmin.core.dead_letters import discard_letter, requeue_letter
from siteadmin.core.exceptions import DeadLetterNotFoundError, SecurityIntelligenceError
from siteadmin.core.filters import MultiValueFilter, StrictFilterSet, TextFilter
from siteadmin.core.models import DeadLetter
from siteadmin.core.repository import LARGEST_ID
from siteadmin.core.retry import can_requeue
from siteadmin.core.roles import Role
from siteadmin.core.routers import ApiRouter
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer
from siteadmin.core.viewsets import ReadViewSet

MOST_AT_ONCE = 1000
"""Letters of one bulk request."""


class DeadLetterSerializer(StrictModelSerializer[DeadLetter]):
    """Work that failed for good, with what it was given."""

    can_requeue = serializers.SerializerMethodField(help_text="Whether the work can be asked for again.")

    class Meta:
        model = DeadLetter
        fields = [
            "id",
            "queue",
            "task",
            "subject",
            "payload",
            "error",
            "attempts",
            "first_failed_at",
            "last_failed_at",
            "state",
            "can_requeue",
            "settled_at",
            "settled_by",
            "reason",
        ]
        read_only_fields = fields

    def get_can_requeue(self, letter: DeadLetter) -> bool:
        """Tell it of open letters alone."""
        return letter.state == DeadLetter.State.DEAD and can_requeue(letter)


class ReasonSerializer(StrictSerializer):
    """Why the work is let go."""

    reason = serializers.CharField(max_length=2000)


class PickSerializer(StrictSerializer):
    """Which letters: by id, or all open ones that this fits."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        required=False,
        allow_empty=False,
        max_length=MOST_AT_ONCE,
    )
    queue = serializers.ListField(child=serializers.CharField(max_length=64), required=False, allow_empty=False)
    task = serializers.ListField(child=serializers.CharField(max_length=128), required=False, allow_empty=False)
    error = serializers.CharField(max_length=500, required=False, help_text="Part of the error's text.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take ids or a filter; never everything by mistake."""
        by_filter = any(name in attrs for name in ("queue", "task", "error"))
        if ("ids" in attrs) == by_filter:
            raise serializers.ValidationError(
                {"ids": "Give either ids, or at least one of queue, task and error."}, code="required"
            )
        return attrs

    def picked(self) -> list[int]:
        """Give the ids, each once."""
        said: dict[str, Any] = self.validated_data
        if "ids" in said:
            return list(dict.fromkeys(said["ids"]))
        return DeadLetter.objects.pick(
            queues=said.get("queue", []), tasks=said.get("task", []), error=said.get("error", ""), limit=MOST_AT_ONCE
        )


class PickAndReasonSerializer(PickSerializer):
    """Which letters, and why the work is let go."""

    reason = serializers.CharField(max_length=2000)


class BulkLetterAnswerSerializer(StrictSerializer):
    """A result for each; of more than 1000 that a filter fits the oldest 1000 are taken."""

    results = inline_serializer(
        "BulkLetterResult",
        fields={
            "id": serializers.IntegerField(),
            "status": serializers.IntegerField(help_text="The HTTP status of this one."),
            "code": serializers.CharField(required=False),
            "detail": serializers.CharField(required=False),
        },
        many=True,
    )


class DeadLetterFilter(StrictFilterSet):
    """Parameters of the list."""

    queue = MultiValueFilter(field_name="queue")
    task = MultiValueFilter(field_name="task")
    error = TextFilter(field_name="error", lookup_expr="icontains")
    state = MultiValueFilter(field_name="state", choices=DeadLetter.State.choices)


class DeadLetterViewSet(ReadViewSet[DeadLetter]):
    """Dead letters, those that failed last first."""

    serializer_class = DeadLetterSerializer
    filterset_class = DeadLetterFilter
    not_found = DeadLetterNotFoundError
    ordering_fields = ("last_failed_at", "first_failed_at")
    bodiless_actions = ("requeue",)
    required_roles: ClassVar = dict.fromkeys(
        ("list", "retrieve", "metadata", "requeue", "discard", "requeue_many", "discard_many"), Role.OPERATOR
    )

    def get_rows(self) -> QuerySet[DeadLetter]:
        """Give all letters."""
        return DeadLetter.objects.get_queryset()

    @extend_schema(request=None, responses=DeadLetterSerializer)
    @action(detail=True, methods=["post"])
    def requeue(self, request: Request, pk: str) -> Response:
        """Let the work be done again, with all attempts before it; a delivery keeps its idempotency key."""
        return self._one(requeue_letter, request)

    @extend_schema(request=ReasonSerializer, responses=DeadLetterSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Let the work go."""
        said = ReasonSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        return self._one(discard_letter, request, **said.validated_data)

    @extend_schema(
        operation_id="dead_letters_requeue_many",
        request=PickSerializer,
        responses={207: BulkLetterAnswerSerializer},
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="requeue", url_name="requeue-many")
    def requeue_many(self, request: Request) -> Response:
        """Let the work of many letters be done again; each is answered on its own."""
        said = PickSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        return self._many(requeue_letter, request, said.picked())

    @extend_schema(
        operation_id="dead_letters_discard_many",
        request=PickAndReasonSerializer,
        responses={207: BulkLetterAnswerSerializer},
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="discard", url_name="discard-many")
    def discard_many(self, request: Request) -> Response:
        """Let the work of many letters go; each is answered on its own."""
        said = PickAndReasonSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        return self._many(discard_letter, request, said.picked(), reason=said.validated_data["reason"])

    def _one(self, act: Callable[..., None], request: Request, **said: Any) -> Response:
        letter = self.get_object()
        act(letter.pk, by=request.user.get_username(), **said)
        letter.refresh_from_db()
        return Response(self.get_serializer(letter).data)

    def _many(self, act: Callable[..., None], request: Request, ids: list[int], **said: Any) -> Response:
        seen = set(self.get_queryset().filter(pk__in=ids).values_list("pk", flat=True))
        results: list[dict[str, Any]] = []
        for letter_id in ids:
            try:
                if letter_id not in seen:
                    raise DeadLetterNotFoundError(letter_id)
                act(letter_id, by=request.user.get_username(), **said)
                results.append({"id": letter_id, "status": status.HTTP_200_OK})
            except SecurityIntelligenceError as refusal:
                results.append(
                    {
                        "id": letter_id,
                        "status": refusal.status_code,
                        "code": refusal.error_code,
                        "detail": refusal.message,
                    }
                )
        return Response({"results": results}, status=status.HTTP_207_MULTI_STATUS)


def register(router: ApiRouter) -> None:
    """Add the dead letters to the API."""
    router.register("dead-letters", DeadLetterViewSet, basename="dead-letter")
