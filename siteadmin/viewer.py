"""The viewer's time zone: the browser says it in a cookie, and pages show times in it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from siteadmin.core.browsers import shows_key
from siteadmin.core.timezones import find_zone

COOKIE = "timezone"
"""Set by static/siteadmin/times.js from `Intl.DateTimeFormat`; an IANA name."""


class ViewerZoneMiddleware:
    """Render times in the zone that the viewer's browser named, else in the site's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Activate the zone for this one request."""
        if shows_key(request):
            return self.get_response(request)
        with timezone.override(find_zone(request.COOKIES.get(COOKIE, ""))):
            return self.get_response(request)
