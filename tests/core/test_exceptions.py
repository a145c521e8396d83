"""The exception tree: statuses, codes, and what each carries."""

import inspect

import pytest

from siteadmin.core import exceptions
from siteadmin.core.exceptions import (
    AIServiceError,
    AuthenticationError,
    AuthorizationError,
    BoundingBoxValidationError,
    CacheError,
    CameraNotFoundError,
    CircuitBreakerOpenError,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DateRangeValidationError,
    DetectorUnavailableError,
    DuplicateResourceError,
    EventNotFoundError,
    ExternalServiceError,
    InternalError,
    InvalidInputError,
    InvalidStateTransitionError,
    MediaNotFoundError,
    NotFoundError,
    ProcessingError,
    PromptVersionConflictError,
    RateLimitError,
    SecurityIntelligenceError,
    ValidationError,
)

CLASSES = [
    cls
    for _, cls in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(cls, SecurityIntelligenceError) and cls.__module__ == exceptions.__name__
]


@pytest.mark.parametrize(
    ("cls", "parent", "status"),
    [
        (SecurityIntelligenceError, Exception, 500),
        (ValidationError, SecurityIntelligenceError, 400),
        (InvalidInputError, ValidationError, 400),
        (DateRangeValidationError, ValidationError, 400),
        (BoundingBoxValidationError, ValidationError, 400),
        (AuthenticationError, SecurityIntelligenceError, 401),
        (AuthorizationError, SecurityIntelligenceError, 403),
        (NotFoundError, SecurityIntelligenceError, 404),
        (CameraNotFoundError, NotFoundError, 404),
        (EventNotFoundError, NotFoundError, 404),
        (MediaNotFoundError, NotFoundError, 404),
        (ConflictError, SecurityIntelligenceError, 409),
        (DuplicateResourceError, ConflictError, 409),
        (PromptVersionConflictError, ConflictError, 409),
        (InvalidStateTransitionError, ConflictError, 409),
        (RateLimitError, SecurityIntelligenceError, 429),
        (ExternalServiceError, SecurityIntelligenceError, 503),
        (AIServiceError, ExternalServiceError, 503),
        (DetectorUnavailableError, AIServiceError, 503),
        (DatabaseError, ExternalServiceError, 503),
        (CacheError, ExternalServiceError, 503),
        (CircuitBreakerOpenError, ExternalServiceError, 503),
        (InternalError, SecurityIntelligenceError, 500),
        (ConfigurationError, InternalError, 500),
        (ProcessingError, InternalError, 500),
    ],
)
def test_each_class_has_its_place_and_status(cls, parent, status):
    assert issubclass(cls, parent)
    assert cls().status_code == status


@pytest.mark.parametrize("cls", CLASSES)
def test_each_class_stands_without_arguments_and_has_a_code(cls):
    error = cls()

    assert str(error) == error.message == cls.default_message
    assert error.error_code == cls.default_error_code
    assert error.error_code.isupper()
    assert error.details == {}


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if not issubclass(cls, NotFoundError)])
def test_each_class_takes_message_code_status_and_details(cls):
    error = cls("Said so", error_code="OTHER", status_code=418, details={"a": 1})

    assert (error.message, error.error_code, error.status_code, error.details) == ("Said so", "OTHER", 418, {"a": 1})


def test_not_found_puts_the_id_into_message_and_details():
    error = CameraNotFoundError("front_door", details={"b": 2})

    assert str(error) == "Camera with id 'front_door' not found"
    assert error.details == {"b": 2, "camera_id": "front_door"}
    assert error.error_code == "CAMERA_NOT_FOUND"


def test_external_errors_chain_the_original_and_do_not_show_it():
    original = TimeoutError("10.0.0.5 password=secret")

    error = DetectorUnavailableError("Detection timed out after 30 seconds", original_error=original)

    assert error.__cause__ is original
    assert "secret" not in str(error)


@pytest.mark.parametrize("cls", [RateLimitError, CircuitBreakerOpenError])
def test_what_passes_by_itself_says_when(cls):
    assert cls(retry_after=12.5).retry_after == 12.5


def test_details_are_the_errors_own():
    details = {"a": 1}
    error = ValidationError(details=details)
    error.details["b"] = 2

    assert details == {"a": 1}
