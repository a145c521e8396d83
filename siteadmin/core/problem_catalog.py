"""What each code of a problem means, its usual cause and its cure; kept in drf-problems' register.

The pages at /problems/<code>/ show it, and `type` of a problem document names its page.
"""

from dataclasses import dataclass
from http import HTTPStatus

from drf_problems.utils import register_exception

from siteadmin.core import exceptions, idempotency_exceptions


@dataclass(slots=True, frozen=True)
class DocumentedProblem:
    """One page; `code`, `status_code`, `title` and `description` are what drf-problems reads."""

    error_code: str
    status_code: int
    description: str
    cause: str
    cure: str

    @property
    def code(self) -> str:
        """The code as it stands in the page's address."""
        return self.error_code.lower().replace("_", "-")

    # drf-problems evaluates its fallbacks too, needed or not.
    @property
    def default_code(self) -> str:
        """The code again."""
        return self.code

    @property
    def default_detail(self) -> str:
        """The title again."""
        return self.title

    @property
    def title(self) -> str:
        """The status phrase."""
        return HTTPStatus(self.status_code).phrase


_GONE = ("It was deleted, never existed, or belongs to a camera that you may not see.", "Look it up in its list.")
_BUSY = "Try again in a moment; if it stays, look at the state of the system and its log."
_OUTSIDE = "It is down, overloaded, or slower than its time limit."

# Cause and cure of the exceptions of our own; meaning and status are the class's.
_OWN: dict[type[exceptions.SecurityIntelligenceError], tuple[str, str]] = {
    exceptions.SecurityIntelligenceError: (
        "A fault of the product.",
        "Report it with the request's id; the log has the rest.",
    ),
    exceptions.ValidationError: (
        "Fields are missing, unknown, of the wrong type or out of range.",
        "Correct the fields that `errors` names and send the request again.",
    ),
    exceptions.InvalidInputError: (
        "A parameter or field has a value outside what it takes.",
        "Use a value as described in `detail` or in the schema at /api/schema.",
    ),
    exceptions.DateRangeValidationError: (
        "Start and end were swapped, or have different time zones.",
        "Send a start that is not after the end.",
    ),
    exceptions.BoundingBoxValidationError: (
        "The box's corner, width or height do not fit the frame's size.",
        "Send the box in pixels, within the frame, at least one pixel wide and high.",
    ),
    exceptions.AuthenticationError: (
        "No key was sent, or it is wrong, revoked or expired; or the session has ended.",
        "Send a valid key as `Authorization: Bearer KEY`, or log in.",
    ),
    exceptions.AuthorizationError: (
        "The role of the key or account does not include this action.",
        "Use a key with the needed role, or ask an admin for it.",
    ),
    exceptions.NotFoundError: ("The address is wrong, or the thing was deleted.", "Check the address and the id."),
    exceptions.CameraNotFoundError: _GONE,
    exceptions.ZoneNotFoundError: _GONE,
    exceptions.MaskNotFoundError: _GONE,
    exceptions.DetectionLimitNotFoundError: _GONE,
    exceptions.SnapshotNotFoundError: _GONE,
    exceptions.UnassignedUploadNotFoundError: _GONE,
    exceptions.EventNotFoundError: _GONE,
    exceptions.DetectionNotFoundError: _GONE,
    exceptions.MediaNotFoundError: (
        "The picture was removed by retention, or its file is missing from the storage.",
        "Use another picture, or restore the storage.",
    ),
    exceptions.AlertRuleNotFoundError: _GONE,
    exceptions.AlertNotFoundError: _GONE,
    exceptions.ChannelNotFoundError: _GONE,
    exceptions.DeliveryNotFoundError: _GONE,
    exceptions.DeadLetterNotFoundError: _GONE,
    exceptions.ExportNotFoundError: (
        "It is kept for a day, for whoever asked for it, as long as they may see all its cameras.",
        "Ask for another one.",
    ),
    exceptions.AuditEntryNotFoundError: _GONE,
    exceptions.ModeNotFoundError: _GONE,
    exceptions.SilenceNotFoundError: _GONE,
    exceptions.QuietHoursNotFoundError: _GONE,
    exceptions.PromptNotFoundError: ("The name is wrong, or the version was never written.", "Look at /api/prompts."),
    exceptions.ConflictError: (
        "Another row depends on this one, or what is stored does not allow the change.",
        "Read the present state and decide anew.",
    ),
    exceptions.DuplicateResourceError: ("The name, id or folder is taken.", "Choose another, or change what exists."),
    exceptions.PromptVersionConflictError: (
        "Somebody saved a new version after you read the prompt.",
        "Read the newest version and send yours with its number.",
    ),
    exceptions.InvalidStateTransitionError: (
        "It was already handled, or is not yet where this step starts.",
        "Read its present state; `details` may name it.",
    ),
    exceptions.VersionConflictError: (
        "Somebody changed it after you read it.",
        "Read it again and send your change with its present `version`.",
    ),
    idempotency_exceptions.IdempotencyKeyInvalidError: (
        "The key is empty, longer than 255 signs, or not visible ASCII.",
        "Send a fresh UUID for each new request, alone or in double quotes.",
    ),
    idempotency_exceptions.IdempotencyKeyInUseError: (
        "The request was sent again before its first try was answered.",
        "Wait as long as `Retry-After` says and send the same request again.",
    ),
    idempotency_exceptions.IdempotencyKeyReusedError: (
        "The key was used within the last day for another address or another body.",
        "Send a fresh key with each new request; the same one only with the same request.",
    ),
    exceptions.PreconditionFailedError: (
        "The `If-Match` header names a state that has passed.",
        "Read it again and send your change with its present `ETag`.",
    ),
    exceptions.PayloadTooLargeError: ("The body or its file is over the limit.", "Send a smaller one."),
    exceptions.RateLimitError: ("Too many requests in a short time.", "Wait as long as `Retry-After` says."),
    exceptions.ExternalServiceError: (_OUTSIDE, _BUSY),
    exceptions.AIServiceError: (_OUTSIDE, _BUSY),
    exceptions.DetectorUnavailableError: (_OUTSIDE, _BUSY),
    exceptions.AnalyzerUnavailableError: (_OUTSIDE, _BUSY),
    exceptions.EnrichmentUnavailableError: (_OUTSIDE, _BUSY),
    exceptions.DatabaseError: ("PostgreSQL is down, restarting or out of connections.", _BUSY),
    exceptions.CacheError: ("Redis is down or restarting.", _BUSY),
    exceptions.CircuitBreakerOpenError: (
        "The service failed several times in a row, so calls to it are held back.",
        "Wait as long as `Retry-After` says; a trial call then decides whether the breaker closes.",
    ),
    exceptions.ConfigurationError: ("A setting is missing or contradicts another.", "Correct it as the log says."),
    exceptions.ProcessingError: ("A step failed on this very input.", "Look at the log under the request's id."),
}

# Problems that no class of ours stands for: status, meaning, cause, cure.
_OTHER: dict[str, tuple[int, str, str, str]] = {
    "UNUSABLE_PICTURE": (
        400,
        "The upload is no whole picture; it is kept as a failed snapshot.",
        "It is empty, cut off, too large in pixels, or of a kind that is not supported.",
        "Look at `detail`, and at the camera's settings; `details` names the snapshot.",
    ),
    "INVALID_CHANNEL_CONFIG": (
        400,
        "The channel's settings cannot be used.",
        "A key is missing, unknown or of the wrong form for this kind of channel.",
        "Correct the keys that `errors` names; the documentation lists them by kind.",
    ),
    "DETECTOR_ANSWER_INVALID": (
        502,
        "The detector answered something that makes no sense.",
        "It is another program, another version, or its model is broken.",
        "Ask it by hand with the same picture, and check DETECTOR_URL and DETECTOR_PROTOCOL.",
    ),
    "MODEL_NOT_USABLE": (
        500,
        "The detector's model file cannot be used.",
        "It is missing, damaged, or of a layout that is not supported.",
        "Look at `detail`, and check ONNX_MODEL.",
    ),
    "TWO_FACTOR_REQUIRED": (
        403,
        "The session's user has not set up two-factor login, which this site takes of its staff.",
        "TWO_FACTOR_REQUIRED is set, and the account has no second factor yet.",
        "Set it up at /account/two-factor/; programs use a key, which needs none.",
    ),
    "QUERY_TIMEOUT": (
        503,
        "The database was stopped, since the answer took it too long.",
        "The question is too wide for what is stored, or the database is busy.",
        "Ask for less: a shorter span of time, fewer filters at once, or smaller pages.",
    ),
    "MALFORMED_REQUEST": (
        400,
        "The request could not be read.",
        "The body is no valid JSON or form, or a header makes no sense.",
        "Correct the request's form; nothing of it was used.",
    ),
    "CSRF_FAILED": (
        403,
        "The request came with a session but without proof that your browser meant it.",
        "The CSRF token is missing, old, or from another site.",
        "Reload the page and try again; programs should use a key instead of a session.",
    ),
    "METHOD_NOT_ALLOWED": (
        405,
        "The address exists, but not for this method.",
        "The method is wrong, or the resource cannot be changed this way.",
        "Use one of the methods in the `Allow` header.",
    ),
    "NOT_ACCEPTABLE": (
        406,
        "The answer does not exist in a form that you accept.",
        "The `Accept` header leaves out what is offered.",
        "Accept `application/json`.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        415,
        "The body has a type that is not read here.",
        "The `Content-Type` header is missing or names another type.",
        "Send JSON as `application/json`, files as `multipart/form-data`.",
    ),
    "RANGE_NOT_SATISFIABLE": (
        416,
        "The file does not have the bytes that were asked for.",
        "The `Range` header starts beyond the file's end.",
        "Ask for a range within the size in `Content-Range`.",
    ),
}


def _sentence(text: str) -> str:
    return text.strip().partition("\n")[0]


DOCUMENTED: tuple[DocumentedProblem, ...] = (
    *(
        DocumentedProblem(
            kind.default_error_code,
            kind.default_status_code,
            f"{kind.default_message}."
            if kind is exceptions.SecurityIntelligenceError
            else _sentence(kind.__doc__ or kind.default_message),
            *texts,
        )
        for kind, texts in _OWN.items()
    ),
    *(DocumentedProblem(code, *rest) for code, rest in _OTHER.items()),
)

for _problem in DOCUMENTED:
    register_exception(_problem)
