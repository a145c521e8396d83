"""The audit trail over REST: read by admins, written by nobody."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from siteadmin.core.actors import ActorKind
from siteadmin.core.exceptions import AuditEntryNotFoundError
from siteadmin.core.exporting import (
    EXPORT_FORMAT,
    EXPORT_RESPONSES,
    ExportFormat,
    answer_file,
    head_of,
    lines_of,
    read_form,
)
from siteadmin.core.filters import InstantFilter, MultiValueFilter, StrictFilterBackend, StrictFilterSet
from siteadmin.core.models import AuditEntry
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.roles import Role
from siteadmin.core.routers import ApiRouter
from siteadmin.core.serializers import StrictModelSerializer
from siteadmin.core.viewsets import ReadViewSet

COLUMNS = (
    "id",
    "created_at",
    "actor_kind",
    "actor",
    "actor_id",
    "address",
    "request_id",
    "action",
    "resource_type",
    "resource_id",
    "resource",
    "camera",
    "before",
    "after",
)
EXPORT_BATCH = 1000
"""Rows that an export holds in memory."""


class AuditEntrySerializer(StrictModelSerializer[AuditEntry]):
    """One thing that somebody did; secrets are never shown, only that they are others now."""

    actor_kind = serializers.ChoiceField(choices=ActorKind.choices, read_only=True)
    camera = serializers.CharField(source="camera_id", read_only=True, help_text="Empty: it belongs to none.")
    before = serializers.DictField(read_only=True, allow_null=True, help_text="Null: it is new.")
    after = serializers.DictField(read_only=True, allow_null=True, help_text="Null: it is gone.")

    class Meta:
        model = AuditEntry
        fields = COLUMNS
        read_only_fields = fields


class AuditFilter(StrictFilterSet):
    """Parameters of the list."""

    ranges = (("created_after", "created_before"),)

    actor = MultiValueFilter(field_name="actor")
    actor_kind = MultiValueFilter(field_name="actor_kind", choices=ActorKind.choices)
    action = MultiValueFilter(field_name="action")
    resource_type = MultiValueFilter(field_name="resource_type")
    resource_id = MultiValueFilter(field_name="resource_id")
    camera = MultiValueFilter(field_name="camera_id")
    request_id = MultiValueFilter(field_name="request_id")
    created_after = InstantFilter(field_name="created_at", lookup_expr="gte")
    created_before = InstantFilter(field_name="created_at", lookup_expr="lt")


class AuditViewSet(ReadViewSet[AuditEntry]):
    """Who did what to what, when, from where, before and after; newest first."""

    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter
    not_found = AuditEntryNotFoundError
    camera_lookup = "camera_id"
    filtered_actions = ("list", "export")
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "export", "metadata"), Role.ADMIN)

    def get_rows(self) -> QuerySet[AuditEntry]:
        """Give all entries."""
        return AuditEntry.objects.get_queryset()

    @extend_schema(filters=True, parameters=[EXPORT_FORMAT], responses=EXPORT_RESPONSES)
    @action(
        detail=False,
        pagination_class=None,
        filter_backends=[StrictFilterBackend],
        content_negotiation_class=AnyAnswerNegotiation,
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """Write all entries that the list would give, newest first, as CSV or JSON Lines."""
        form = read_form(request)
        content = write_entries(self.filter_queryset(self.get_queryset()), form=form)
        return answer_file(content, name="audit", form=form, at=timezone.now())


def write_entries(entries: QuerySet[AuditEntry], *, form: ExportFormat) -> Iterator[bytes]:
    """Give these entries as a file, a batch at a time, newest first, so that no transaction is open for long."""
    yield head_of(COLUMNS, form=form)
    place: tuple[datetime, int] | None = None
    while True:
        rows = AuditEntry.objects.export_after(entries, place, limit=EXPORT_BATCH)
        if rows:
            named = [{name: row["camera_id" if name == "camera" else name] for name in COLUMNS} for row in rows]
            yield lines_of(named, columns=COLUMNS, form=form)
        if len(rows) < EXPORT_BATCH:
            return
        place = rows[-1]["created_at"], rows[-1]["id"]


def register(router: ApiRouter) -> None:
    """Add the audit trail to the API."""
    router.register("audit", AuditViewSet, basename="audit")
