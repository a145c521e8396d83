"""A picture as the whole body, as many cameras send it."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.utils.http import parse_header_parameters
from rest_framework.parsers import BaseParser, DataAndFiles

from siteadmin.core.exceptions import PayloadTooLargeError


def refuse_too_large(size: int) -> None:
    """Raise PayloadTooLargeError for a picture over the limit."""
    limit: int = settings.MAX_UPLOAD_BYTES
    if size > limit:
        raise PayloadTooLargeError(f"A picture has at most {limit} bytes", details={"limit": limit})


class RawImageParser(BaseParser):
    """`image/*`: the body is the picture; its name may stand in `Content-Disposition`."""

    media_type = "image/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> "DataAndFiles[Any, Any]":
        """Give the body as the field `file`; raises PayloadTooLargeError."""
        # One byte more than is taken: a client need not say how much it sends.
        content = stream.read(settings.MAX_UPLOAD_BYTES + 1)
        refuse_too_large(len(content))
        request = (parser_context or {})["request"]
        kind = (media_type or "").partition(";")[0].strip().lower()
        _, disposition = parse_header_parameters(request.headers.get("Content-Disposition", ""))
        name = disposition.get("filename") or f"upload.{kind.partition('/')[2] or 'bin'}"
        file = InMemoryUploadedFile(BytesIO(content), "file", name, kind, len(content), None)
        return DataAndFiles({}, {"file": file})
