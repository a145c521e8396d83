"""ETags of events, and conditional answers with pictures that are made only when they are needed."""

import hashlib
import json
import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import parse_etags, quote_etag
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from events.services.pictures import Drawing
from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError, PreconditionFailedError

_VERSIONED = re.compile(r'"v(\d{1,10})-[0-9a-f]{16}"')


def etag_of(*, version: int, body: Any) -> str:
    """Give the ETag of an event's representation: people's version first, then a digest of all that is shown."""
    digest = hashlib.sha256(json.dumps(body, cls=JSONEncoder).encode()).hexdigest()[:16]
    return quote_etag(f"v{version}-{digest}")


def is_known(request: Request, etag: str) -> bool:
    """Tell whether whoever asks has this representation already."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or etag in (tag.removeprefix("W/") for tag in known)


def check_precondition(request: Request, *, version: int) -> bool:
    """Refuse a change whose `If-Match` names another version than this one; tells whether there was an `If-Match`.

    Only people's changes count: an event that grew meanwhile is still the one that was looked at.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return False
    tags = parse_etags(header)
    if tags == ["*"]:
        return False
    versions = {int(match[1]) for match in map(_VERSIONED.fullmatch, tags) if match}
    if version not in versions:
        raise PreconditionFailedError(details={"version": version})
    return True


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
