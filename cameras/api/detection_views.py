"""What detection leaves out: masks of a camera's picture, and limits of what counts as an object."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from rest_framework.serializers import BaseSerializer

from cameras import services
from cameras.api.filters import DetectionLimitFilter
from cameras.api.serializers import DetectionLimitSerializer, MaskSerializer
from cameras.api.views import visible_camera
from cameras.models import Camera, DetectionLimit, Mask
from siteadmin.core.exceptions import AuthorizationError, DetectionLimitNotFoundError, MaskNotFoundError
from siteadmin.core.viewsets import CrudViewSet


class MaskViewSet(CrudViewSet[Mask]):
    """A camera's masks."""

    queryset = Mask.objects.all()
    serializer_class = MaskSerializer
    not_found = MaskNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("name",)

    @cached_property
    def camera(self) -> Camera:
        """The camera of the address, if it may be seen."""
        return visible_camera(self)

    def get_rows(self) -> QuerySet[Mask]:
        if getattr(self, "swagger_fake_view", False):
            return Mask.objects.none()
        return Mask.objects.for_camera(self.camera.pk)

    def perform_create(self, serializer: BaseSerializer[Mask]) -> Mask:
        return services.create_mask(self.camera, fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[Mask]) -> Mask:
        assert serializer.instance is not None
        return services.update_mask(
            serializer.instance.pk, fields=serializer.validated_data, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: Mask) -> None:
        services.delete_mask(instance.pk, expected_version=self.expected_version)


class DetectionLimitViewSet(CrudViewSet[DetectionLimit]):
    """Limits of what counts as an object, for all cameras or one."""

    queryset = DetectionLimit.objects.all()
    serializer_class = DetectionLimitSerializer
    filterset_class = DetectionLimitFilter
    not_found = DetectionLimitNotFoundError
    camera_lookup = "camera_id"
    ordering_fields = ("object_type",)

    def get_rows(self) -> QuerySet[DetectionLimit]:
        return DetectionLimit.objects.of_active_cameras()

    def perform_create(self, serializer: BaseSerializer[DetectionLimit]) -> DetectionLimit:
        self._refuse_other_cameras(serializer.validated_data.get("camera"))
        return services.create_detection_limit(fields=serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[DetectionLimit]) -> DetectionLimit:
        assert serializer.instance is not None
        fields: dict[str, Any] = serializer.validated_data
        self._refuse_other_cameras(fields.get("camera", serializer.instance.camera))
        return services.update_detection_limit(
            serializer.instance.pk, fields=fields, expected_version=self.expected_version
        )

    def perform_destroy(self, instance: DetectionLimit) -> None:
        services.delete_detection_limit(instance.pk, expected_version=self.expected_version)

    def _refuse_other_cameras(self, camera: Camera | None) -> None:
        camera_ids = self.access.camera_ids
        if camera_ids is not None and (camera is None or camera.pk not in camera_ids):
            raise AuthorizationError("You are limited to some cameras, and this would concern others")
