"""Reading only what changed (ETag, 304) and changing only what was looked at (`version`, `If-Match`).

An ETag begins with the row's `version`, which counts people's changes alone: a camera that sent a picture meanwhile,
or an event that grew, is still the one that somebody looked at (RFC 9110, 13.1).
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags, quote_etag
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from siteadmin.core.exceptions import PreconditionFailedError, VersionConflictError
from siteadmin.core.json import to_json

_VERSIONED = re.compile(r'"v(\d{1,10})-[0-9a-f]{16}"')


def etag_of(body: Any, *, version: int | None = None) -> str:
    """Give the ETag of what is shown of a row: its version, where it has one, and a digest of all that is shown."""
    return _etag_of(to_json(body), version=version)


def _etag_of(encoded: bytes, *, version: int | None) -> str:
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return quote_etag(digest if version is None else f"v{version}-{digest}")


def answer_one(request: Request, body: Any, *, version: int | None = None) -> Response:
    """Answer with one row and its ETag, or 304 where whoever asks has it as it is."""
    if getattr(request.accepted_renderer, "format", "") != "json":
        return Response(body)  # a page shows more than the row
    encoded = to_json(body)
    etag = _etag_of(encoded, version=version)
    response = Response(status=status.HTTP_304_NOT_MODIFIED) if _is_known(request, etag) else Response(body)
    response.encoded = encoded  # type: ignore[attr-defined]  # so that the renderer need not write it again
    response["ETag"] = etag
    # Who may see it can change, so that it is asked for each time; the 304 costs next to nothing.
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _is_known(request: Request, etag: str) -> bool:
    if request.method not in ("GET", "HEAD"):
        return False
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or etag in (tag.removeprefix("W/") for tag in known)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a change was made on; `version` is None where nobody said."""

    version: int | None = None
    by_header: bool = False

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Answer 412 instead of 409 for a change that came too late, where it was `If-Match` that said on what."""
        try:
            yield
        except VersionConflictError as conflict:
            if self.by_header:
                raise PreconditionFailedError(details=conflict.details) from conflict
            raise


def read_expectation(request: Request, *, version: int, stated: int | None = None) -> Expectation:
    """Read what the change was made on, from `If-Match` and the body's `version`.

    PreconditionFailedError (412) where no tag of `If-Match` has the row's version, VersionConflictError (409) where
    the stated one is another. What changes between this look and the write is the service's to find.
    """
    tags = parse_etags(request.headers.get("If-Match", "*"))
    by_header = tags != ["*"]
    if by_header and version not in {int(match[1]) for match in map(_VERSIONED.fullmatch, tags) if match}:
        raise PreconditionFailedError(details={"version": version})
    if stated is not None and stated != version:
        raise VersionConflictError(details={"version": version})
    return Expectation(version if by_header or stated is not None else None, by_header=by_header)
