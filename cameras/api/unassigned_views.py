"""Uploads that wait until somebody says whose they are."""

from typing import ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cameras import services
from cameras.api.filters import UnassignedUploadFilter
from cameras.api.serializers import AssignSerializer, CameraSerializer, UnassignedUploadSerializer
from cameras.api.views import PICTURE
from cameras.ingest.decode import CONTENT_TYPES
from cameras.models import UnassignedUpload
from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError, UnassignedUploadNotFoundError
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.roles import Role
from siteadmin.core.viewsets import ReadViewSet


class UnassignedUploadViewSet(ReadViewSet[UnassignedUpload]):
    """Uploads in folders that are no camera's."""

    queryset = UnassignedUpload.objects.all()
    serializer_class = UnassignedUploadSerializer
    filterset_class = UnassignedUploadFilter
    not_found = UnassignedUploadNotFoundError
    ordering_fields = ("received_at",)
    bodiless_actions = ("discard",)
    media_actions = ranged_actions = ("image",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "image", "assign", "discard"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[UnassignedUpload]:
        return UnassignedUpload.objects.waiting()

    @extend_schema(responses=PICTURE)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswerNegotiation)
    def image(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the picture itself."""
        upload = self.get_object()
        content_type = CONTENT_TYPES.get(f".{upload.file.rpartition('.')[2]}")
        if upload.width is None or content_type is None:
            raise MediaNotFoundError(message="This upload is no picture that can be shown")
        return media.stream(request._request, upload.file, content_type=content_type, etag=upload.sha256)

    @extend_schema(request=AssignSerializer, responses={202: CameraSerializer})
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give the upload's folder to a camera, or make one of it; all that waits in the folder goes through."""
        upload = self.get_object()
        serializer = AssignSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        camera = services.assign_folder(
            upload,
            camera_id=serializer.validated_data.get("camera"),
            create=serializer.validated_data.get("create"),
        )
        return Response(CameraSerializer(camera).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Throw the upload away."""
        services.discard_upload(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
