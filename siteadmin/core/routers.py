"""Addresses of the API: with and without a slash at the end, and nothing by suffix."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import APIRootView, DefaultRouter

from siteadmin.core.roles import Role


class RootView(APIRootView):
    """All resources and their addresses."""

    required_roles = {"get": Role.VIEWER}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give the address of each list."""
        return super().get(request, *args, **kwargs)

    def get_view_name(self) -> str:
        """Give the page's heading."""
        return "API"


class ApiRouter(DefaultRouter):
    """Answers both `/x` and `/x/` without a redirect."""

    include_format_suffixes = False
    APIRootView = RootView

    def __init__(self, *, further: Mapping[str, str] | None = None) -> None:
        super().__init__(trailing_slash=False)
        self.trailing_slash = "/?"
        self._further = dict(further or {})

    def get_api_root_view(self, api_urls: Any = None) -> Callable[..., HttpResponseBase]:
        """Make the view that names all lists, and the `further` addresses by the names of their routes."""
        list_name = self.routes[0].name
        lists = {prefix: list_name.format(basename=basename) for prefix, _, basename in self.registry}
        return self.APIRootView.as_view(api_root_dict=lists | self._further)
