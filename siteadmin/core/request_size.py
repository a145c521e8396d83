"""How large a request may be, by the length that it states; looked at before anything of its body is read.

Django bounds what it keeps in memory of a form, but puts files of any size into the temporary folder, and a form is
read before anybody is known: the token against forged requests stands in it.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from siteadmin.core.error_views import is_api, problem_response
from siteadmin.core.exceptions import PayloadTooLargeError
from siteadmin.core.problems import problem_of

FORM_OVERHEAD_BYTES = 64 * 1024
"""What a form may have beside the picture in it."""


class RequestSizeMiddleware:
    """Refuse what states more bytes than its address takes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.takes_pictures = re.compile("|".join(f"(?:{path})" for path in settings.PICTURE_PATHS))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 413, as a problem document under the API."""
        length = request.META.get("CONTENT_LENGTH") or ""
        limit = self.limit_of(request.path_info)
        if not length.isdigit() or int(length) <= limit:
            return self.get_response(request)
        error = PayloadTooLargeError(f"A request to this address has at most {limit} bytes", details={"limit": limit})
        if is_api(request):
            return problem_response(request, problem_of(error))
        return HttpResponse(error.message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, content_type="text/plain")

    def limit_of(self, path: str) -> int:
        """Give the bytes that a request to this address may have."""
        usual = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if not self.takes_pictures.fullmatch(path):
            return usual
        return max(usual, int(settings.MAX_UPLOAD_BYTES) + FORM_OVERHEAD_BYTES)
