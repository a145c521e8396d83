"""Query parameters that nothing would act on."""

from collections.abc import Collection

from rest_framework.request import Request

from siteadmin.core.exceptions import InvalidInputError

ALWAYS_ALLOWED = frozenset({"format", "csrfmiddlewaretoken"})


def refuse_unknown_parameters(request: Request, *, known: Collection[str]) -> None:
    """Refuse parameters that nothing would act on, each by its name; empty ones do no harm."""
    unknown = sorted(
        name
        for name, values in request.query_params.lists()
        if name not in known and name not in ALWAYS_ALLOWED and any(values)
    )
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        message = f"Unknown query parameter: {', '.join(unknown)}; allowed are: {allowed}"
        raise InvalidInputError(
            message,
            errors=[
                {"field": name, "code": "unknown_parameter", "detail": f"Unknown; allowed are: {allowed}"}
                for name in unknown
            ],
        )
