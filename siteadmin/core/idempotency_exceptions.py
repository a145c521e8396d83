"""What can be wrong with an `Idempotency-Key`."""

from siteadmin.core.exceptions import ConflictError, InvalidInputError, SecurityIntelligenceError


class IdempotencyKeyInvalidError(InvalidInputError):
    """The `Idempotency-Key` header is empty, too long, or holds signs that no key has."""

    default_message = "The Idempotency-Key header cannot be used"
    default_error_code = "IDEMPOTENCY_KEY_INVALID"


class IdempotencyKeyInUseError(ConflictError):
    """The first request with this `Idempotency-Key` is still under way; `retry_after` is in seconds."""

    default_message = "The first request with this Idempotency-Key is still under way"
    default_error_code = "IDEMPOTENCY_KEY_IN_USE"
    retry_after = 2.0


class IdempotencyKeyReusedError(SecurityIntelligenceError):
    """This `Idempotency-Key` belongs to another request."""

    default_message = "This Idempotency-Key was sent with another request"
    default_error_code = "IDEMPOTENCY_KEY_REUSED"
    default_status_code = 422
