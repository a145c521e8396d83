"""The public pages at /problems/: what each error means, why it happens, and what to do."""

from typing import Any

from drf_problems import PROBLEM_EXCEPTION_MAP
from drf_problems.views import ErrorDocumentationView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from siteadmin.core.problem_catalog import DOCUMENTED, DocumentedProblem
from siteadmin.core.problems import slug_of


class _Public(APIView):
    """No login, no session: whoever meets an error may read what it means."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer, TemplateHTMLRenderer]
    schema = None


class ProblemListView(_Public):
    """All problems."""

    template_name = "problems/list.html"

    def get(self, request: Request) -> Response:
        """List them by status and code."""
        ordered = sorted(DOCUMENTED, key=lambda problem: (problem.status_code, problem.code))
        return Response({"results": [_document(problem) for problem in ordered]})


class ProblemView(_Public, ErrorDocumentationView):  # type: ignore[misc]  # drf-problems has no types
    """One problem; the code may be written as in the document or as in the address."""

    template_name = "problems/page.html"

    def get(self, request: Request, code: str) -> Response:
        """Explain it; raises NotFound for a code that nothing has."""
        problem = PROBLEM_EXCEPTION_MAP.get(slug_of(code))
        if not isinstance(problem, DocumentedProblem):
            raise NotFound("No problem has this code")
        return Response(_document(problem))


def _document(problem: DocumentedProblem) -> dict[str, Any]:
    return {
        "code": problem.error_code,
        "slug": problem.code,
        "status": problem.status_code,
        "title": problem.title,
        "description": problem.description,
        "cause": problem.cause,
        "cure": problem.cure,
    }
