"""Every refusal the product can give, with its HTTP status and stable code.

An exception means an HTTP answer or a bug; an expected outcome of a job is a Result instead.
"""

from typing import Any


class SecurityIntelligenceError(Exception):
    """Base of all errors of the product; carries what a problem document needs (RFC 9457)."""

    default_message: str = "An unexpected error occurred"
    default_error_code: str = "INTERNAL_ERROR"
    default_status_code: int = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        error_code: str | None = None,
        status_code: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.error_code = error_code or self.default_error_code
        self.status_code = status_code or self.default_status_code
        self.details = dict(details or {})
        super().__init__(self.message)


class ValidationError(SecurityIntelligenceError):
    """What was sent cannot be used; `errors` lists each field as `{"field", "code", "detail"}`."""

    default_message = "The request is not valid"
    default_error_code = "VALIDATION_ERROR"
    default_status_code = 400

    def __init__(
        self, message: str | None = None, *, errors: list[dict[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.errors = list(errors or [])


class InvalidInputError(ValidationError):
    """One value is out of its range or of the wrong form."""

    default_message = "A value is not valid"
    default_error_code = "INVALID_INPUT"


class DateRangeValidationError(ValidationError):
    """A range ends before it starts, or is longer than allowed."""

    default_message = "The end of the range lies before its start"
    default_error_code = "INVALID_DATE_RANGE"


class BoundingBoxValidationError(ValidationError):
    """A box lies outside its picture or has no area."""

    default_message = "The bounding box is not valid"
    default_error_code = "INVALID_BOUNDING_BOX"


class AuthenticationError(SecurityIntelligenceError):
    """Nobody we know is asking."""

    default_message = "Missing or invalid API key"
    default_error_code = "AUTHENTICATION_REQUIRED"
    default_status_code = 401


class AuthorizationError(SecurityIntelligenceError):
    """We know who asks, and they may not do this."""

    default_message = "You may not do this"
    default_error_code = "ACCESS_DENIED"
    default_status_code = 403


class NotFoundError(SecurityIntelligenceError):
    """Nothing with this id exists, or the caller may not know that it does."""

    default_message = "Not found"
    default_error_code = "NOT_FOUND"
    default_status_code = 404
    resource: str = "resource"
    """The word for the thing in the message; its id is kept in `details` as `<resource>_id`."""

    def __init__(self, resource_id: object = None, *, message: str | None = None, **kwargs: Any) -> None:
        details = dict(kwargs.pop("details", None) or {})
        if resource_id is not None:
            details[f"{self.resource.replace(' ', '_')}_id"] = resource_id
            message = message or f"{self.resource.capitalize()} with id '{resource_id}' not found"
        super().__init__(message, details=details, **kwargs)


class CameraNotFoundError(NotFoundError):
    """No camera has this id."""

    default_error_code = "CAMERA_NOT_FOUND"
    resource = "camera"


class ZoneNotFoundError(NotFoundError):
    """No zone of this camera has this id."""

    default_error_code = "ZONE_NOT_FOUND"
    resource = "zone"


class MaskNotFoundError(NotFoundError):
    """No mask of this camera has this id."""

    default_error_code = "MASK_NOT_FOUND"
    resource = "mask"


class DetectionLimitNotFoundError(NotFoundError):
    """No detection limit has this id."""

    default_error_code = "DETECTION_LIMIT_NOT_FOUND"
    resource = "detection limit"


class SnapshotNotFoundError(NotFoundError):
    """No snapshot has this id."""

    default_error_code = "SNAPSHOT_NOT_FOUND"
    resource = "snapshot"


class UnassignedUploadNotFoundError(NotFoundError):
    """No upload that waits for a camera has this id."""

    default_error_code = "UNASSIGNED_UPLOAD_NOT_FOUND"
    resource = "unassigned upload"


class EventNotFoundError(NotFoundError):
    """No event has this id."""

    default_error_code = "EVENT_NOT_FOUND"
    resource = "event"


class DetectionNotFoundError(NotFoundError):
    """No detection has this id."""

    default_error_code = "DETECTION_NOT_FOUND"
    resource = "detection"


class MediaNotFoundError(NotFoundError):
    """The row exists, its file does not."""

    default_error_code = "MEDIA_NOT_FOUND"
    resource = "media"


class AlertRuleNotFoundError(NotFoundError):
    """No alert rule has this id."""

    default_error_code = "ALERT_RULE_NOT_FOUND"
    resource = "alert rule"


class AlertNotFoundError(NotFoundError):
    """No alert has this id."""

    default_error_code = "ALERT_NOT_FOUND"
    resource = "alert"


class ChannelNotFoundError(NotFoundError):
    """No channel has this id."""

    default_error_code = "CHANNEL_NOT_FOUND"
    resource = "channel"


class DeliveryNotFoundError(NotFoundError):
    """No delivery has this id."""

    default_error_code = "DELIVERY_NOT_FOUND"
    resource = "delivery"


class DeadLetterNotFoundError(NotFoundError):
    """No dead letter has this id."""

    default_error_code = "DEAD_LETTER_NOT_FOUND"
    resource = "dead letter"


class ExportNotFoundError(NotFoundError):
    """No export of the caller's has this id, or its time is over."""

    resource = "export"
    default_error_code = "EXPORT_NOT_FOUND"


class AuditEntryNotFoundError(NotFoundError):
    """No audit entry has this id."""

    default_error_code = "AUDIT_ENTRY_NOT_FOUND"
    resource = "audit entry"


class ModeNotFoundError(NotFoundError):
    """No mode has this id."""

    default_error_code = "MODE_NOT_FOUND"
    resource = "mode"


class SilenceNotFoundError(NotFoundError):
    """No silence has this id."""

    default_error_code = "SILENCE_NOT_FOUND"
    resource = "silence"


class QuietHoursNotFoundError(NotFoundError):
    """No quiet hours have this id."""

    default_error_code = "QUIET_HOURS_NOT_FOUND"
    resource = "quiet hours"


class PromptNotFoundError(NotFoundError):
    """No prompt has this name, or it has no such version."""

    default_error_code = "PROMPT_NOT_FOUND"
    resource = "prompt"


class ConflictError(SecurityIntelligenceError):
    """The request is fine, the present state of the thing does not allow it."""

    default_message = "This conflicts with what is stored"
    default_error_code = "CONFLICT"
    default_status_code = 409


class DuplicateResourceError(ConflictError):
    """A unique name, id or folder is taken."""

    default_message = "Something with this name exists already"
    default_error_code = "DUPLICATE_RESOURCE"


class PromptVersionConflictError(ConflictError):
    """Somebody saved another version of the prompt first."""

    default_message = "The prompt has a newer version"
    default_error_code = "PROMPT_VERSION_CONFLICT"


class InvalidStateTransitionError(ConflictError):
    """The thing is not in a state from which this step leads on."""

    default_message = "This step is not possible from the present state"
    default_error_code = "INVALID_STATE_TRANSITION"


class VersionConflictError(ConflictError):
    """The body named a `version` that somebody has changed since."""

    default_message = "Somebody changed this in the meantime"
    default_error_code = "VERSION_CONFLICT"


class PreconditionFailedError(SecurityIntelligenceError):
    """`If-Match` named a representation that somebody has changed since (RFC 9110, 13.1.1)."""

    default_message = "Somebody changed this in the meantime"
    default_error_code = "PRECONDITION_FAILED"
    default_status_code = 412


class PayloadTooLargeError(SecurityIntelligenceError):
    """The body or the file in it is over the limit."""

    default_message = "The upload is too large"
    default_error_code = "PAYLOAD_TOO_LARGE"
    default_status_code = 413


class RateLimitError(SecurityIntelligenceError):
    """Too many requests; `retry_after` is in seconds."""

    default_message = "Too many requests"
    default_error_code = "RATE_LIMITED"
    default_status_code = 429

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class ExternalServiceError(SecurityIntelligenceError):
    """Something outside does not answer as it should; `original_error` is chained and logged, never shown."""

    default_message = "An external service is unavailable"
    default_error_code = "EXTERNAL_SERVICE_ERROR"
    default_status_code = 503

    def __init__(
        self, message: str | None = None, *, original_error: BaseException | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.original_error = original_error
        if original_error is not None:
            self.__cause__ = original_error


class AIServiceError(ExternalServiceError):
    """A detector, an analyzer or an enrichment service failed."""

    default_message = "AI service is temporarily unavailable"
    default_error_code = "AI_SERVICE_ERROR"


class DetectorUnavailableError(AIServiceError):
    """The detector is down, too slow or behind an open breaker."""

    default_message = "AI detection service is temporarily unavailable"
    default_error_code = "DETECTOR_UNAVAILABLE"


class AnalyzerUnavailableError(AIServiceError):
    """The analyzer is down, too slow or behind an open breaker."""

    default_message = "AI analysis service is temporarily unavailable"
    default_error_code = "ANALYZER_UNAVAILABLE"


class EnrichmentUnavailableError(AIServiceError):
    """An enrichment service is down, too slow or behind an open breaker."""

    default_message = "Enrichment service is temporarily unavailable"
    default_error_code = "ENRICHMENT_UNAVAILABLE"


class DatabaseError(ExternalServiceError):
    """PostgreSQL does not answer."""

    default_message = "The database is temporarily unavailable"
    default_error_code = "DATABASE_ERROR"


class CacheError(ExternalServiceError):
    """Redis does not answer."""

    default_message = "The cache is temporarily unavailable"
    default_error_code = "CACHE_ERROR"


class CircuitBreakerOpenError(ExternalServiceError):
    """Calls to this target are held back after failures in a row; `retry_after` is in seconds."""

    default_message = "This service failed repeatedly and is left alone for a moment"
    default_error_code = "CIRCUIT_BREAKER_OPEN"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class InternalError(SecurityIntelligenceError):
    """A fault of ours."""

    default_error_code = "INTERNAL_ERROR"


class ConfigurationError(InternalError):
    """A setting does not make sense."""

    default_message = "The product is not configured correctly"
    default_error_code = "CONFIGURATION_ERROR"


class ProcessingError(InternalError):
    """A step of the pipeline could not be finished."""

    default_message = "Processing failed"
    default_error_code = "PROCESSING_ERROR"
