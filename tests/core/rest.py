"""A small API over rows of the kernel, for tests of the REST base: its own addresses, nothing of the apps."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from siteadmin.core.authentication import UPLOAD_AUTHENTICATION
from siteadmin.core.error_views import UnknownPathView
from siteadmin.core.exceptions import DeadLetterNotFoundError
from siteadmin.core.filters import (
    FlagFilter,
    InstantFilter,
    IntegerFilter,
    MultiIdFilter,
    MultiValueFilter,
    StrictFilterSet,
    TextFilter,
)
from siteadmin.core.models import DeadLetter
from siteadmin.core.permissions import CameraAccess
from siteadmin.core.problem_pages import ProblemListView, ProblemView
from siteadmin.core.roles import Role
from siteadmin.core.routers import ApiRouter
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer
from siteadmin.core.viewsets import BaseViewSet, CrudViewSet


class Access:
    """All cameras, or those of the key."""

    def __init__(self, camera_ids: frozenset[str] | None) -> None:
        self.camera_ids = camera_ids


def access_of(request: Any) -> CameraAccess:
    """Stand in for the hook of the cameras app."""
    return Access(getattr(request.user, "camera_ids", None))


class LetterFilter(StrictFilterSet):
    """The kinds of parameters there are."""

    ranges = (("failed_after", "failed_before"),)

    id = MultiIdFilter(field_name="id")
    state = MultiValueFilter(field_name="state", choices=DeadLetter.State.choices)
    queue = MultiValueFilter(field_name="queue")
    task = TextFilter(field_name="task")
    failed_after = InstantFilter(field_name="last_failed_at", lookup_expr="gte")
    failed_before = InstantFilter(field_name="last_failed_at", lookup_expr="lt")
    min_attempts = IntegerFilter(field_name="attempts", lookup_expr="gte", min_value=0, max_value=100)
    silent = FlagFilter(field_name="error", lookup_expr="exact", method="by_silence")

    def by_silence(self, queryset: QuerySet[DeadLetter], name: str, value: bool) -> QuerySet[DeadLetter]:
        """Keep letters without an error text, or with one."""
        return queryset.filter(error="") if value else queryset.exclude(error="")


class PointSerializer(StrictSerializer):
    """One point."""

    x = serializers.FloatField(min_value=0, max_value=1)
    y = serializers.FloatField(min_value=0, max_value=1)


class LetterSerializer(StrictModelSerializer[DeadLetter]):
    """Letters with a nested list."""

    points = PointSerializer(many=True, required=False, write_only=True)

    class Meta:
        model = DeadLetter
        fields = ("id", "queue", "task", "subject", "payload", "state", "error", "attempts", "points")
        read_only_fields = ("state",)


class LetterViewSet(CrudViewSet[DeadLetter]):
    """Letters that belong to the camera in `queue`."""

    queryset = DeadLetter.objects.all()
    serializer_class = LetterSerializer
    filterset_class = LetterFilter
    not_found = DeadLetterNotFoundError
    camera_lookup: ClassVar[str | None] = "queue"
    ordering_fields: ClassVar = {"attempts": "attempts", "failed": "last_failed_at"}
    required_roles: ClassVar = {"note": Role.REVIEWER}
    query_parameters: ClassVar = {"note": {"loud"}}

    def get_rows(self) -> QuerySet[DeadLetter]:
        """Give all letters."""
        return DeadLetter.objects.all()

    def perform_create(self, serializer: Any) -> DeadLetter:
        """Store the letter without its points."""
        serializer.validated_data.pop("points", None)
        return super().perform_create(serializer)

    @action(detail=True, methods=["post"])
    def note(self, request: Request, pk: str) -> Response:
        """For reviewers."""
        return Response({"id": self.get_object().pk})

    @action(detail=True, methods=["post"])
    def unmapped(self, request: Request, pk: str) -> Response:
        """Nobody said who may do this."""
        return Response({})


class HiddenViewSet(LetterViewSet):
    """The same rows as if they belonged to no camera."""

    camera_lookup = None


class UploadViewSet(BaseViewSet[DeadLetter]):
    """What cameras send."""

    queryset = DeadLetter.objects.all()
    serializer_class = LetterSerializer
    camera_lookup = "queue"
    authentication_classes = UPLOAD_AUTHENTICATION
    required_roles: ClassVar = {"create": Role.UPLOADER}

    def create(self, request: Request) -> Response:
        """Take anything."""
        return Response({"by": str(request.user)}, status=202)


@extend_schema(exclude=True)
class RaisingView(APIView):
    """Raises what the test put here."""

    error: ClassVar[BaseException] = RuntimeError("not set")
    required_roles: ClassVar = {"get": Role.VIEWER, "post": Role.VIEWER}

    def get(self, request: Request) -> Response:
        """Raise it."""
        raise type(self).error

    def post(self, request: Request) -> Response:
        """Read the body."""
        return Response({"data": request.data})


def plain_raising(request: HttpRequest) -> HttpResponse:
    """Raise in a view that is not DRF's."""
    raise RaisingView.error


def plain_error(request: HttpRequest) -> HttpResponse:
    """Answer a bare error."""
    return HttpResponse("<h1>no</h1>", status=405, headers={"Allow": "POST"})


plain_raising.login_required = False  # type: ignore[attr-defined]
plain_error.login_required = False  # type: ignore[attr-defined]

router = ApiRouter()
router.register("letters", LetterViewSet, basename="letter")
router.register("hidden", HiddenViewSet, basename="hidden")
router.register("uploads", UploadViewSet, basename="upload")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api", router.get_api_root_view()),
    path("api/raising", RaisingView.as_view()),
    path("api/plain-raising", plain_raising),
    path("api/plain-error", plain_error),
    path("api/", include([*router.urls, re_path(r"^.*$", UnknownPathView.as_view())])),
    path("problems/", ProblemListView.as_view()),
    path("problems/<slug:code>/", ProblemView.as_view()),
]
handler400 = "siteadmin.core.error_views.bad_request"
handler403 = "siteadmin.core.error_views.permission_denied"
handler404 = "siteadmin.core.error_views.page_not_found"
handler500 = "siteadmin.core.error_views.server_error"
