"""Addresses of cameras and what they send."""

from cameras.api.detection_views import DetectionLimitViewSet, MaskViewSet
from cameras.api.unassigned_views import UnassignedUploadViewSet
from cameras.api.views import CameraUploadViewSet, CameraViewSet, SnapshotViewSet, ZoneViewSet
from siteadmin.core.routers import ApiRouter


def register(router: ApiRouter) -> None:
    """Add this app's resources."""
    router.register("cameras", CameraViewSet, basename="camera")
    router.register(r"cameras/(?P<camera_id>[^/]+)/zones", ZoneViewSet, basename="zone")
    router.register(r"cameras/(?P<camera_id>[^/]+)/masks", MaskViewSet, basename="mask")
    router.register("detection-limits", DetectionLimitViewSet, basename="detection-limit")
    router.register(r"cameras/(?P<camera_id>[^/]+)/snapshots", CameraUploadViewSet, basename="camera-snapshot")
    router.register("snapshots", SnapshotViewSet, basename="snapshot")
    router.register("unassigned-uploads", UnassignedUploadViewSet, basename="unassigned-upload")
