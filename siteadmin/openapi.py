"""What the OpenAPI schema shows beside forms: examples, and the headers of answers."""

from typing import Any

from siteadmin.openapi_examples import EXAMPLES, PATCHES

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's id, the client's own where it sent one.", "schema": _TEXT},
    "RateLimit": {"description": "What is left of the quota, and for how many seconds.", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The quota and its window in seconds.", "schema": _TEXT},
    "ETag": {"description": "Names the state that is shown, for `If-None-Match` and `If-Match`.", "schema": _TEXT},
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": _WHOLE},
    "Idempotency-Replayed": {"description": "`true`: the first answer to this key, given again.", "schema": _TEXT},
    "Content-Range": {"description": "Which part of the file this is.", "schema": _TEXT},
}
EVERYWHERE = ("X-Request-ID", "RateLimit", "RateLimit-Policy")
BY_STATUS = {
    "206": ("ETag", "Content-Range"),
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "416": ("Content-Range",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
PROBLEMS = {
    "400": ("VALIDATION_ERROR", "Bad Request", "name: This field is required."),
    "401": ("AUTHENTICATION_REQUIRED", "Unauthorized", "Missing or invalid API key"),
    "403": ("ACCESS_DENIED", "Forbidden", "This needs the role operator"),
    "404": ("NOT_FOUND", "Not Found", "Camera with id 'front_door' not found"),
    "406": ("NOT_ACCEPTABLE", "Not Acceptable", "Could not satisfy the request Accept header."),
    "409": ("VERSION_CONFLICT", "Conflict", "Somebody changed this in the meantime"),
    "412": ("PRECONDITION_FAILED", "Precondition Failed", "Somebody changed this in the meantime"),
    "413": ("PAYLOAD_TOO_LARGE", "Request Entity Too Large", "A JSON body has at most 10485760 bytes"),
    "415": ("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", 'Unsupported media type "text/plain" in request.'),
    "416": ("RANGE_NOT_SATISFIABLE", "Requested Range Not Satisfiable", "Cannot satisfy request range"),
    "422": ("IDEMPOTENCY_KEY_REUSED", "Unprocessable Entity", "This Idempotency-Key was sent with another request"),
    "429": ("RATE_LIMITED", "Too Many Requests", "More than 600 writes within 60 s"),
    "500": ("INTERNAL_ERROR", "Internal Server Error", "Something went wrong on our side"),
    "503": ("DATABASE_ERROR", "Service Unavailable", "The database does not answer"),
}
"""By status, what a problem may look like: code, title and detail."""


def show_answers(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add headers and examples to every operation and every resource (a hook of drf-spectacular)."""
    components = result["components"]
    components["headers"] = HEADERS
    components["examples"] = {f"Problem{status}": {"value": _problem(status)} for status in PROBLEMS}
    for name, example in {**EXAMPLES, **PATCHES}.items():
        if name in components["schemas"]:  # a part of the API may be described alone
            components["schemas"][name]["examples"] = [example]
    for operations in result["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                _show(answer, status, takes_tags="304" in operation["responses"])
    return result


def _show(answer: dict[str, Any], status: str, *, takes_tags: bool) -> None:
    tag = ("ETag",) if takes_tags and status == "200" else ()
    names = (*EVERYWHERE, *BY_STATUS.get(status, ()), *tag)
    answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    problem = answer.get("content", {}).get("application/problem+json")
    if problem is not None:
        problem["examples"] = {"problem": {"$ref": f"#/components/examples/Problem{status}"}}


def _problem(status: str) -> dict[str, Any]:
    code, title, detail = PROBLEMS[status]
    errors = [{"field": "name", "code": "required", "detail": "This field is required."}]
    return {
        "type": f"http://localhost:8000/problems/{code.lower().replace('_', '-')}/",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": "/api/cameras",
        "code": code,
        "request_id": "3f0c7c9a5b1e4d0f8f7f3f9d0d1f5a11",
        "details": {},
        **({"errors": errors} if status == "400" else {}),
    }
