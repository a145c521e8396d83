"""Refusals that only this app knows."""

from siteadmin.core.exceptions import AIServiceError, ConfigurationError, InvalidInputError, NotFoundError


class PictureNotUsableError(InvalidInputError):
    """A detector cannot make anything of this picture, and never will."""

    default_message = "The picture cannot be decoded"
    default_error_code = "PICTURE_NOT_USABLE"


class AnswerNotUsableError(AIServiceError):
    """An analyzer or an enrichment service answered, but nothing that can be used; nobody may guess what it meant."""

    default_message = "The service's answer cannot be used"


class RequestRefusedError(AnswerNotUsableError):
    """The service refuses the request (4xx); the same one again would be refused again."""

    default_message = "The service refuses the request"


class DetectorAnswerError(AIServiceError):
    """The detector refused the picture or answered what is no answer; asking it again would give the same."""

    default_message = "The detector's answer cannot be used"
    default_error_code = "DETECTOR_ANSWER_INVALID"
    default_status_code = 502


class ModelNotUsableError(ConfigurationError):
    """The detector's model file is missing, broken or of a kind that is not known."""

    default_message = "The detector's model cannot be used"
    default_error_code = "MODEL_NOT_USABLE"


class FeedbackNotFoundError(NotFoundError):
    """Nobody has said anything of this event."""

    default_message = "The event has no feedback"
    default_error_code = "FEEDBACK_NOT_FOUND"
    resource = "feedback"
