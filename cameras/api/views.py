"""Cameras, their zones, and the pictures they send."""

from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from cameras import services
from cameras.api.filters import CameraFilter, SnapshotFilter
from cameras.api.parsers import RawImageParser, refuse_too_large
from cameras.api.serializers import (
    CameraSerializer,
    FtpPasswordSerializer,
    SnapshotSerializer,
    UploadSerializer,
    ZoneSerializer,
)
from cameras.ingest import clips, decode
from cameras.models import Camera, Snapshot, Zone
from cameras.results import IntakeOutcome, IntakeResult
from siteadmin.core import media
from siteadmin.core.authentication import UPLOAD_AUTHENTICATION
from siteadmin.core.exceptions import (
    AuthorizationError,
    CameraNotFoundError,
    InvalidInputError,
    MediaNotFoundError,
    SnapshotNotFoundError,
    ZoneNotFoundError,
)
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.roles import Role
from siteadmin.core.throttling import Scope
from siteadmin.core.viewsets import BaseViewSet, CrudViewSet, ReadViewSet

CONTENT_TYPES = decode.CONTENT_TYPES | clips.CONTENT_TYPES
PICTURE = {(200, media_type): OpenApiTypes.BINARY for media_type in CONTENT_TYPES.values()}
FORM_OVERHEAD = 64 * 1024
"""What a multipart body may have beside the picture."""


class CameraViewSet(CrudViewSet[Camera]):
    """Cameras: read by viewers, managed by operators."""

    queryset = Camera.objects.all()
    serializer_class = CameraSerializer
    filterset_class = CameraFilter
    has_fixed_rows = True
    not_found = CameraNotFoundError
    text_lookup = True
    camera_lookup = "id"
    ordering_fields = ("name", "created_at")
    bodiless_actions = ("restore", "ftp_password")
    media_actions = ranged_actions = ("snapshot",)
    required_roles: ClassVar = {"restore": Role.OPERATOR, "snapshot": Role.VIEWER, "ftp_password": Role.OPERATOR}

    def get_rows(self) -> QuerySet[Camera]:
        return Camera.objects.get_queryset() if self.action == "restore" else Camera.objects.active()

    def perform_create(self, serializer: BaseSerializer[Camera]) -> Camera:
        camera_ids = self.access.camera_ids
        if camera_ids is not None and serializer.validated_data.get("id") not in camera_ids:
            raise AuthorizationError("You are limited to some cameras, and this would be another")
        return services.create_camera(fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[Camera]) -> Camera:
        assert serializer.instance is not None
        return services.update_camera(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Camera) -> None:
        services.delete_camera(instance.pk, expected_version=self.expected_version)

    @extend_schema(request=None, responses=CameraSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Undo the deletion of a camera."""
        return Response(self.get_serializer(services.restore_camera(self.get_object().pk)).data)

    @extend_schema(request=None, responses=FtpPasswordSerializer)
    @action(detail=True, methods=["post"], url_path="ftp-password")
    def ftp_password(self, request: Request, pk: str) -> Response:
        """Make a new password for the FTP server, which ends the old one; it is shown this once."""
        camera = self.get_object()
        response = Response({"user": camera.pk, "password": services.make_ftp_password(camera.pk)})
        response["Cache-Control"] = "no-store"
        return response

    @extend_schema(responses=PICTURE)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswerNegotiation)
    def snapshot(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the latest picture itself; `Content-Location` names its snapshot's."""
        snapshot = Snapshot.objects.get_latest_picture(self.get_object().pk)
        if snapshot is None:
            raise MediaNotFoundError(message="The camera has sent no picture yet")
        response = _picture(request, snapshot, immutable=False)
        response["Content-Location"] = f"/api/snapshots/{snapshot.pk}/image"
        return response


class ZoneViewSet(CrudViewSet[Zone]):
    """A camera's zones."""

    queryset = Zone.objects.all()
    serializer_class = ZoneSerializer
    not_found = ZoneNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("priority", "name")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say that there is no such camera before anything is read of the body."""
        super().initial(request, *args, **kwargs)
        _ = self.camera

    @cached_property
    def camera(self) -> Camera:
        """The camera of the address, if it may be seen."""
        return visible_camera(self)

    def get_rows(self) -> QuerySet[Zone]:
        if getattr(self, "swagger_fake_view", False):
            return Zone.objects.none()
        return Zone.objects.for_camera(self.camera.pk)

    def perform_create(self, serializer: BaseSerializer[Zone]) -> Zone:
        return services.create_zone(self.camera, fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[Zone]) -> Zone:
        assert serializer.instance is not None
        return services.update_zone(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Zone) -> None:
        services.delete_zone(instance.pk, expected_version=self.expected_version)


class CameraUploadViewSet(BaseViewSet[Snapshot]):
    """Pictures that a camera or a program sends."""

    queryset = Snapshot.objects.all()
    serializer_class = SnapshotSerializer
    authentication_classes = UPLOAD_AUTHENTICATION
    parser_classes = [MultiPartParser, RawImageParser]
    camera_lookup = "camera_id"
    outside_actions = ("create",)
    required_roles: ClassVar = {"create": Role.UPLOADER}
    throttle_scopes: ClassVar = {"create": Scope.UPLOADS}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is too large before it is read."""
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdigit():
            refuse_too_large(int(length) - FORM_OVERHEAD)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": UploadSerializer, "image/*": OpenApiTypes.BINARY},
        responses={
            202: SnapshotSerializer,
            200: OpenApiResponse(SnapshotSerializer, description="The same picture again: the first one."),
        },
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take in one picture.

        One that is no whole picture is kept as a failed snapshot and answered 400; `details` name it.
        """
        camera = visible_camera(self)
        serializer = UploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        file = serializer.validated_data["file"]
        refuse_too_large(file.size)
        captured_at: datetime | None = serializer.validated_data.get("captured_at")
        result = services.accept_picture(file.read(), camera=camera, name=file.name, captured_at=captured_at)
        snapshot = Snapshot.objects.get_by_id(result.snapshot_id)
        if snapshot is None or snapshot.width is None:
            raise _unusable(result)
        is_new = result.outcome is IntakeOutcome.STORED
        return Response(
            self.get_serializer(snapshot).data, status=status.HTTP_202_ACCEPTED if is_new else status.HTTP_200_OK
        )


class SnapshotViewSet(ReadViewSet[Snapshot]):
    """What cameras sent."""

    queryset = Snapshot.objects.all()
    serializer_class = SnapshotSerializer
    filterset_class = SnapshotFilter
    has_fixed_rows = True
    not_found = SnapshotNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("captured_at",)
    media_actions = ranged_actions = ("image",)
    required_roles: ClassVar = {"image": Role.VIEWER}

    def get_rows(self) -> QuerySet[Snapshot]:
        return Snapshot.objects.of_active_cameras()

    @extend_schema(responses=PICTURE)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswerNegotiation)
    def image(self, request: Request, pk: str) -> HttpResponseBase:
        """Give the picture or clip itself; a clip also by Range."""
        return _picture(request, self.get_object(), immutable=True)


def visible_camera(view: BaseViewSet[Any]) -> Camera:
    """Give the camera of the address; CameraNotFoundError where there is none, or none to be seen."""
    camera_id = view.kwargs["camera_id"]
    may_see = view.access.camera_ids is None or camera_id in view.access.camera_ids
    camera = Camera.objects.get_active(camera_id) if may_see and "\x00" not in camera_id else None
    if camera is None:
        raise CameraNotFoundError(camera_id)
    return camera


def _unusable(result: IntakeResult) -> InvalidInputError:
    details = {"snapshot_id": result.snapshot_id, "camera_id": result.camera_id, "state": "failed"}
    error = {"field": "file", "code": "unusable_picture", "detail": result.reason}
    return InvalidInputError(result.reason, error_code="UNUSABLE_PICTURE", details=details, errors=[error])


def _picture(request: Request, snapshot: Snapshot, *, immutable: bool) -> HttpResponseBase:
    content_type = CONTENT_TYPES.get(f".{snapshot.file.rpartition('.')[2]}")
    if snapshot.width is None or content_type is None:
        # What failed is kept aside for whoever runs the site; bytes of unknown kind are never served.
        raise MediaNotFoundError(message="This upload is no picture that can be shown")
    return media.stream(
        request._request, snapshot.file, content_type=content_type, etag=snapshot.sha256, immutable=immutable
    )
