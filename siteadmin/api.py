"""The REST API as a whole: the router with every app's resources, the schema, its page, and what is not there."""

from django.urls import URLPattern, URLResolver, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

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
from siteadmin.stream_api import StreamViewSet
from siteadmin.system_api import SystemStatusViewSet

router = ApiRouter()
for part in (cameras_api, events_api, alerts_api, dead_letter_api, audit_api):
    part.register(router)


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3.1 schema, as YAML or with `format=json` as JSON."""

    permission_classes = [RolePermission]
    required_roles = {"get": Role.VIEWER}


class DocsView(SpectacularSwaggerView):
    """A page to read the schema and try the API."""

    permission_classes = [RolePermission]
    required_roles = {"get": Role.VIEWER}
    content_negotiation_class = AnyAnswerNegotiation  # it is a page, whatever was asked for


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
