"""The REST API as a whole: the router with every app's resources, the schema, its page, and what is not there."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from siteadmin.core.error_views import UnknownPathView
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.permissions import RolePermission
from siteadmin.core.roles import Role
from siteadmin.core.routers import ApiRouter

router = ApiRouter()
for _app in ("cameras", "events", "alerts"):
    if find_spec(f"{_app}.api.urls") is not None:
        _register: Callable[[ApiRouter], None] = import_module(f"{_app}.api.urls").register
        _register(router)


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
    re_path(r"^schema/?$", SchemaView.as_view(), name="api-schema"),
    re_path(r"^docs/?$", DocsView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^.*$", UnknownPathView.as_view()),
]
