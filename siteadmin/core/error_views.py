"""Errors that arise outside DRF's views: Django's own handlers, CSRF failures, unknown addresses."""

import sys
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from django.views.csrf import csrf_failure as default_csrf_failure
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from siteadmin.core.problems import Problem, log_problem, prefers_html, problem_of, status_problem
from siteadmin.core.renderers import ProblemPageRenderer, ProblemRenderer


def is_api(request: HttpRequest) -> bool:
    """Tell whether this request's errors are problem documents."""
    return request.path_info == "/api" or request.path_info.startswith("/api/")


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer with a problem document where no DRF view is at work."""
    renderer = ProblemPageRenderer() if prefers_html(request) else ProblemRenderer()
    content = renderer.render(problem.body(request), renderer.media_type, {})
    content_type = f"{renderer.media_type}; charset=utf-8" if renderer.charset else renderer.media_type
    response = HttpResponse(content, status=problem.status, content_type=content_type, headers=problem.headers)
    response.is_problem = True  # type: ignore[attr-defined]  # the middleware's mark that nothing is left to do
    return response


def answer(request: HttpRequest, error: BaseException | None, *, status: int) -> HttpResponse:
    """Answer for an exception, or where there is none, for a status."""
    problem = problem_of(error) if error is not None else status_problem(status)
    log_problem(problem, error, path=request.path)
    return problem_response(request, problem)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django refuses before any view (handler400)."""
    return answer(request, exception, status=400) if is_api(request) else defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a refusal outside DRF (handler403)."""
    if is_api(request):
        return answer(request, exception, status=403)
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer for an unknown address (handler404)."""
    return answer(request, exception, status=404) if is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer for what nobody foresaw, in a middleware say (handler500)."""
    return answer(request, sys.exc_info()[1], status=500) if is_api(request) else defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer a form without its token (CSRF_FAILURE_VIEW)."""
    if not is_api(request):
        return default_csrf_failure(request, reason=reason)
    problem = Problem(status=403, code="CSRF_FAILED", detail="The CSRF token is missing or incorrect")
    return problem_response(request, problem)


class UnknownPathView(APIView):
    """Everything under /api/ that nothing else answers."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse before anything else is looked at: whatever the method, there is nothing here."""
        raise NotFound("There is nothing at this address")

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Never reached; tells DRF that the view has a method."""
        raise NotFound
