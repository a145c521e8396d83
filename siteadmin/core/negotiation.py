"""Which form of an answer a client gets."""

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from siteadmin.core.exceptions import InvalidInputError


class QualityNegotiation(BaseContentNegotiation):
    """Weighs `q` as RFC 9110 (12.5.1) has it, which DRF's own negotiation ignores."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Give the parser for the body's media type, or None."""
        wanted = (request.content_type or "").partition(";")[0].strip().lower()
        for parser in parsers:
            kind, _, subtype = parser.media_type.lower().partition("/")
            if parser.media_type == "*/*" or wanted == parser.media_type.lower():
                return parser
            if subtype == "*" and wanted.startswith(f"{kind}/"):
                return parser
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Give the renderer that the `format` parameter names, else the one that `Accept` prefers."""
        renderers = list(renderers)
        wanted = request.query_params.get("format")
        if wanted:
            named = [renderer for renderer in renderers if renderer.format == wanted]
            if not named:
                known = ", ".join(dict.fromkeys(str(renderer.format) for renderer in renderers))
                message = f"The 'format' parameter must be one of: {known}"
                raise InvalidInputError(message, errors=[{"field": "format", "code": "invalid", "detail": message}])
            return self._preferred(request, named) or (named[0], str(named[0].media_type))
        chosen = self._preferred(request, renderers)
        if chosen is None:
            raise NotAcceptable(available_renderers=renderers)
        return chosen

    def _preferred(self, request: Request, renderers: Iterable[BaseRenderer]) -> tuple[BaseRenderer, str] | None:
        by_type: dict[str, BaseRenderer] = {}
        for renderer in renderers:
            by_type.setdefault(str(renderer.media_type), renderer)
        if not request.headers.get("Accept", "").strip():
            media_type = next(iter(by_type))
            return by_type[media_type], media_type
        # Who asks for problem documents alone speaks JSON.
        offered = [*by_type, "application/problem+json"] if "application/json" in by_type else list(by_type)
        preferred = request._request.get_preferred_type(offered)
        if preferred is None:
            return None
        media_type = preferred if preferred in by_type else "application/json"
        return by_type[media_type], media_type


class AnyAnswerNegotiation(QualityNegotiation):
    """For views that answer pictures or CSV: no `Accept` is refused, and `format` is the view's own parameter."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Give the renderer that `Accept` prefers, else the first."""
        renderers = list(renderers)
        return self._preferred(request, renderers) or (renderers[0], str(renderers[0].media_type))
