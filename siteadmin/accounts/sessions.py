"""What a session must show beside its password: the second factor, where the user has one or the site wants it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from siteadmin.core.browsers import shows_key
from siteadmin.core.error_views import is_api, problem_response
from siteadmin.core.exceptions import AuthorizationError
from siteadmin.core.problems import problem_of

SESSION_KEY = "two_factor"
OPEN_PATHS = ("/account/two-factor/", "/admin/logout/", "/admin/login/", "/problems/")
"""Where somebody comes who still has to set it up."""
HEALTH_PATH = "/health/"
"""Where nobody is looked up, since health is told while the database, and with it the sessions, is down."""


def confirmed_factor(user: Any) -> Any:
    """Give the user's second factor where it is in force; free for users whom the login's backend loaded."""
    found = getattr(user, "two_factor", None)
    return found if found is not None and found.confirmed_at is not None else None


class TwoFactorMiddleware:
    """Ends sessions that were begun without the second factor that their user has, and leads others to set it up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the request through where its session shows enough."""
        if request.path_info.startswith(HEALTH_PATH):
            request.user = AnonymousUser()
            return self.get_response(request)
        if shows_key(request):
            return self.get_response(request)
        user = request.user
        if user.is_authenticated and user.is_staff:
            factor = confirmed_factor(user)
            if factor is not None and request.session.get(SESSION_KEY) != str(factor.enrolment):
                logout(request)
            elif factor is None and settings.TWO_FACTOR_REQUIRED and not request.path_info.startswith(OPEN_PATHS):
                return _lead_to_enrolment(request)
        return self.get_response(request)


def _lead_to_enrolment(request: HttpRequest) -> HttpResponseBase:
    if not is_api(request):
        return redirect("two-factor")
    detail = "This site takes two-factor login; set it up at /account/two-factor/ first"
    return problem_response(request, problem_of(AuthorizationError(detail, error_code="TWO_FACTOR_REQUIRED")))
