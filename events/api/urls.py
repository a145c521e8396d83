"""Addresses of this app's resources."""

from events.api.exports import ExportViewSet
from events.api.prompts import PromptVersionViewSet, PromptViewSet
from events.api.views import DetectionViewSet, DetectViewSet, EventViewSet
from siteadmin.core.routers import ApiRouter


def register(router: ApiRouter) -> None:
    """Add the resources to the API."""
    router.register("events", EventViewSet, basename="event")
    router.register("exports", ExportViewSet, basename="export")
    router.register("detections", DetectionViewSet, basename="detection")
    router.register("prompts", PromptViewSet, basename="prompt")
    router.register(r"prompts/(?P<name>[^/]+)/versions", PromptVersionViewSet, basename="prompt-version")
    router.register("detect", DetectViewSet, basename="detect")
