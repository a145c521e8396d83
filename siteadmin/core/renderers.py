"""How answers look: JSON, the browsable page, and the two forms of a problem document."""

import json
from collections.abc import Mapping
from typing import Any

from django.template import loader
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from siteadmin.core.json import to_json

BUTTONS = ("DELETE", "OPTIONS")
"""Methods that take no body."""
UNKNOWN_PATH = "Unknown Path"
"""What DRF calls the view of addresses that are none (`error_views.UnknownPathView`)."""


class FastJSONRenderer(JSONRenderer):
    """JSON; indented where a page shows it."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Give the bytes; those that somebody has written already are taken (`etags.answer_one`)."""
        context = renderer_context or {}
        if data is None:
            return b""
        if self.get_indent(accepted_media_type or "", context):
            return super().render(data, accepted_media_type, context)
        encoded: bytes | None = getattr(context.get("response"), "encoded", None)
        return to_json(data) if encoded is None else encoded


class BrowsableRenderer(BrowsableAPIRenderer):
    """The browsable page of a resource."""

    template = "rest_framework/api.html"

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        """Offer buttons, and JSON to be sent: a form of fields holds no list and can leave no field out."""
        return super().get_rendered_html_form(data, view, method, request) if method in BUTTONS else None

    def get_breadcrumbs(self, request: Request) -> list[tuple[str, str]]:
        """Give the resources above this one: each once, and no part of an address that is none."""
        found: dict[str, str] = {}
        for name, address in super().get_breadcrumbs(request):
            if name != UNKNOWN_PATH:
                found.setdefault(name, address)
        return list(found.items())


class ProblemRenderer(FastJSONRenderer):
    """A problem document for programs."""

    media_type = "application/problem+json"
    format = "json"


class ProblemPageRenderer(BaseRenderer):
    """A problem document for people: a page that needs no database, session or static file, since these may be down."""

    media_type = "text/html"
    format = "api"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> str:
        """Give the page around the document."""
        document = json.dumps(data, cls=JSONEncoder, indent=4, ensure_ascii=False)
        context = {"problem": data, "document": document}
        return loader.get_template("problems/error.html").render(context)
