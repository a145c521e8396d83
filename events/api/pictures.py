"""Conditional answers with pictures that are made only when they are needed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from rest_framework.request import Request

from events.services.pictures import Drawing
from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError


def answer_picture(request: HttpRequest | Request, drawing: Drawing | None) -> HttpResponseBase:
    """Answer with the picture, or 304 without making it; MediaNotFoundError where there is none."""
    if drawing is None or not media.exists(drawing.file):
        raise MediaNotFoundError(message="There is no picture")
    http_request = request._request if isinstance(request, Request) else request
    etag = quote_etag(drawing.etag)
    answer: Any = get_conditional_response(http_request, etag=etag)
    if answer is None:
        answer = HttpResponse(drawing.render(), content_type="image/jpeg")
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Disposition"] = "inline"
    answer["ETag"] = etag
    # Who may see it can change, so that a browser asks each time; the 304 costs next to nothing.
    patch_cache_control(answer, private=True, no_cache=True)
    made: HttpResponseBase = answer
    return made
