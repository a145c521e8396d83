"""Prompts over REST: versions are added, never changed; the newest is in force."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from events.analyzers.prompts import PLACEHOLDERS
from events.choices import LONGEST_PROMPT, RiskLevel
from events.models import Event, PromptVersion
from events.services import assessment, prompts
from siteadmin.core.exceptions import EventNotFoundError, PromptNotFoundError
from siteadmin.core.filters import LARGEST_ID, parse_id
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer
from siteadmin.core.viewsets import BaseViewSet, CreateMixin, ReadViewSet

LONGEST_NOTE = 500
WHO_LENGTH = 200


class PromptVersionSerializer(StrictModelSerializer[PromptVersion]):
    """One version of a prompt."""

    text = serializers.CharField(max_length=LONGEST_PROMPT, trim_whitespace=False)
    note = serializers.CharField(max_length=LONGEST_NOTE, required=False, allow_blank=True)
    active = serializers.BooleanField(source="is_active", read_only=True)
    expected_version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, write_only=True, help_text="The newest version that you know."
    )

    class Meta:
        model = PromptVersion
        fields = ("name", "version", "text", "note", "active", "created_by", "created_at", "expected_version")
        read_only_fields = ("name", "version", "created_by", "created_at")


class PromptSerializer(PromptVersionSerializer):
    """A prompt as it is in force."""

    placeholders = serializers.SerializerMethodField(help_text="What its text may hold in braces, and what it means.")

    class Meta(PromptVersionSerializer.Meta):
        fields = (  # type: ignore[assignment]  # another length
            "name",
            "version",
            "text",
            "note",
            "created_by",
            "created_at",
            "placeholders",
        )

    expected_version = None  # type: ignore[assignment]  # nothing is written here
    active = None  # type: ignore[assignment]  # always so

    def get_placeholders(self, prompt: PromptVersion) -> dict[str, str]:
        """Give what may stand in braces."""
        return PLACEHOLDERS


class ActivationSerializer(StrictSerializer):
    """What the decision to go back was made on."""

    expected_version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)


class PreviewSerializer(StrictSerializer):
    """A past event, and by what to judge it: a text, a version, or else the version in force."""

    event = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    text = serializers.CharField(max_length=LONGEST_PROMPT, trim_whitespace=False, required=False)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both."""
        if "text" in attrs and "version" in attrs:
            raise serializers.ValidationError("Give 'text' or 'version', not both.", code="invalid")
        return attrs


class PreviewAnswerSerializer(serializers.Serializer[Any]):
    """What the analyzer says; nothing was stored."""

    event = serializers.IntegerField()
    risk_score = serializers.IntegerField()
    risk_level = serializers.ChoiceField(choices=RiskLevel.choices)
    summary = serializers.CharField()
    reasoning = serializers.CharField()
    builtin_score = serializers.IntegerField()
    prompt = serializers.CharField(help_text="What the model was asked, filled in.")
    pictures = serializers.IntegerField(help_text="How many were sent along.")


class PromptViewSet(ReadViewSet[PromptVersion]):
    """Prompts in force: seen and tried by operators."""

    serializer_class = PromptSerializer
    not_found = PromptNotFoundError
    lookup_field = "name"
    text_lookup = True
    asking_actions = ("preview",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata", "preview"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[PromptVersion]:
        if not getattr(self, "swagger_fake_view", False):
            prompts.ensure_prompts()
        return PromptVersion.objects.active()

    @extend_schema(request=PreviewSerializer, responses=PreviewAnswerSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, name: str) -> Response:
        """Judge a past event by a text or a version; stores nothing."""
        prompt = self.get_object()
        sent = PreviewSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = sent.validated_data
        event = Event.objects.for_api().filter(pk=values["event"]).first()
        if event is None:
            raise EventNotFoundError(values["event"])
        text = values.get("text", prompt.text)
        if "version" in values:
            text = prompts.get_version(prompt.name, values["version"]).text
        question, answer = assessment.preview_prompt(event, text=text)
        found = {
            "event": event.pk,
            "risk_score": answer.score,
            "risk_level": RiskLevel.of_score(answer.score),
            "summary": answer.summary,
            "reasoning": answer.reasoning,
            "builtin_score": question.builtin.score,
            "prompt": question.render(),
            "pictures": len(question.pictures),
        }
        return Response(PreviewAnswerSerializer(found).data)


class PromptVersionViewSet(ReadViewSet[PromptVersion], CreateMixin[PromptVersion], BaseViewSet[PromptVersion]):
    """All versions of one prompt, newest first: a new one is in force at once."""

    serializer_class = PromptVersionSerializer
    not_found = PromptNotFoundError
    lookup_field = "version"
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata", "create", "activate"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[PromptVersion]:
        if getattr(self, "swagger_fake_view", False):
            return PromptVersion.objects.none()
        return PromptVersion.objects.of_prompt(prompts.get_prompt(self.kwargs["name"]).name)

    def parse_lookup(self, text: str) -> Any:
        """Read a version's number, or give None where nothing can have it."""
        number = parse_id(text)
        return number if number is not None and 0 < number < 2**31 else None

    def perform_create(self, serializer: Any) -> PromptVersion:
        return prompts.add_version(
            self.kwargs["name"], created_by=str(self.request.user)[:WHO_LENGTH], **serializer.validated_data
        )

    @extend_schema(request=ActivationSerializer, responses={201: PromptVersionSerializer})
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, name: str, version: str) -> Response:
        """Put this version's text in force again, as a new version."""
        old = self.get_object()
        sent = ActivationSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        made = prompts.activate_version(
            name, old.version, created_by=str(request.user)[:WHO_LENGTH], **sent.validated_data
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)
