"""Exports that are written in the background, over REST: whoever asked sees how far they are and fetches the file."""

from typing import ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from events.choices import WorkState
from events.models import Export
from events.services.export_jobs import read_export
from siteadmin.core.exceptions import ExportNotFoundError, MediaNotFoundError
from siteadmin.core.exporting import EXPORT_RESPONSES, ExportFormat, answer_file
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer
from siteadmin.core.viewsets import ReadViewSet


class ExportSerializer(StrictModelSerializer[Export]):
    """An export; `progress` goes from 0 to 1, `file` is null until the state is `done`."""

    format = serializers.ChoiceField(source="form", choices=ExportFormat.choices, read_only=True)
    progress = serializers.SerializerMethodField()
    file = serializers.SerializerMethodField()

    class Meta:
        model = Export
        fields = (
            "id",
            "format",
            "parameters",
            "state",
            "error",
            "progress",
            "rows_written",
            "size",
            "requested_at",
            "finished_at",
            "expires_at",
            "file",
        )
        read_only_fields = fields

    def get_progress(self, export: Export) -> float:
        """Give the share that is written; of long lists the whole is an estimate."""
        if export.state == WorkState.DONE:
            return 1.0
        return min(export.rows_written / max(export.rows_expected, 1), 0.99)

    def get_file(self, export: Export) -> str | None:
        """Give the path of the file."""
        return f"/api/exports/{export.pk}/file" if export.state == WorkState.DONE else None


class ExportViewSet(ReadViewSet[Export]):
    """The caller's own exports of the last day."""

    queryset = Export.objects.all()
    serializer_class = ExportSerializer
    not_found = ExportNotFoundError
    required_roles: ClassVar = {"file": Role.VIEWER}

    def get_queryset(self) -> QuerySet[Export]:
        """Give what the caller asked for; one who lost a camera since does not get it by an old export."""
        if getattr(self, "swagger_fake_view", False):
            return Export.objects.none()
        own = Export.objects.of(self.request.user.get_username()).not_expired()
        return own.within(self.access.camera_ids)

    def check_visible(self, *, is_read: bool) -> None:
        """Leave it to `get_queryset`: an export is its owner's, whatever cameras are on it."""

    @extend_schema(responses=EXPORT_RESPONSES)
    @action(detail=True, content_negotiation_class=AnyAnswerNegotiation)
    def file(self, request: Request, pk: str) -> StreamingHttpResponse:
        """Fetch the file of an export that is done."""
        export = self.get_object()
        if export.state != WorkState.DONE:
            raise MediaNotFoundError(message=f"The file is not written: the export is {export.state}")
        form = ExportFormat(export.form)
        answer = answer_file(read_export(export), name="events", form=form, at=export.requested_at)
        answer["Content-Length"] = str(export.size)
        return answer
