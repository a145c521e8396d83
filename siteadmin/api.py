"""The REST API as a whole: the router with every app's resources, the schema, its page, and what is not there."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, re_path
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request

from alerts.api import urls as alerts_api
from alerts.api.evaluation import EventEvaluationViewSet
from cameras.api import urls as cameras_api
from events.api import urls as events_api
from siteadmin.core import audit_api, dead_letter_api
from siteadmin.core.error_views import UnknownPathView
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.permissions import RolePermission
from siteadmin.core.roles import Role
from siteadmin.core.routers import ApiRouter
from siteadmin.core.unknown import refuse_unknown_parameters
from siteadmin.stream_api import StreamViewSet
from siteadmin.system_api import SystemStatusViewSet

router = ApiRouter(
    further={
        "system/status": "api-system-status",
        "stream": "api-stream",
        "schema": "api-schema",
        "docs": "api-docs",
    }
)
for part in (cameras_api, events_api, alerts_api, dead_letter_api, audit_api):
    part.register(router)


@cache
def _schema() -> Any:
    """Make the schema, once a process: that takes half a second."""
    return SchemaView.generator_class().get_schema(request=None, public=True)


@cache
def _written(form: str) -> Any:
    """Write the schema, once a process and form: as YAML that takes half a second more."""
    renderer = OpenApiJsonRenderer if form == "json" else OpenApiYamlRenderer
    return renderer().render(_schema(), renderer_context={})


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3.1 schema, as YAML or with `format=json` as JSON."""

    permission_classes = [RolePermission]
    required_roles = {"get": Role.VIEWER}

    @extend_schema(
        parameters=[OpenApiParameter("format", str, enum=("json", "yaml"))], responses={200: OpenApiTypes.OBJECT}
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Give the schema, which is the same for everybody."""
        refuse_unknown_parameters(request, known=())
        renderer = request.accepted_renderer
        form = "json" if renderer.media_type.endswith("json") else "yaml"
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        return HttpResponse(
            _written(form),
            content_type=f"{renderer.media_type}{charset}",
            headers={"Content-Disposition": f'inline; filename="siteadmin.{form}"'},
        )


class DocsView(SpectacularSwaggerView):
    """A page to read the schema and try the API."""

    permission_classes = [RolePermission]
    required_roles = {"get": Role.VIEWER}
    content_negotiation_class = AnyAnswerNegotiation  # it is a page, whatever was asked for

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let in who may, and refuse what nothing would act on."""
        super().initial(request, *args, **kwargs)
        refuse_unknown_parameters(request, known=())


urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    re_path(
        r"^events/(?P<pk>[^/]+)/evaluation/?$",
        EventEvaluationViewSet.as_view({"get": "retrieve"}, basename="event", detail=True),
        name="event-evaluation",
    ),
    re_path(r"^system/status/?$", SystemStatusViewSet.as_view({"get": "status"}), name="api-system-status"),
    re_path(r"^stream/?$", StreamViewSet.as_view({"get": "stream"}), name="api-stream"),
    re_path(r"^schema/?$", SchemaView.as_view(), name="api-schema"),
    re_path(r"^docs/?$", DocsView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^.*$", UnknownPathView.as_view()),
]
