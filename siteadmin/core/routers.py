"""Addresses of the API: with and without a slash at the end, and nothing by suffix."""

from typing import Any

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

    def __init__(self) -> None:
        super().__init__(trailing_slash=False)
        self.trailing_slash = "/?"
