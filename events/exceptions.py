"""Refusals that only this app knows."""

from siteadmin.core.exceptions import InvalidInputError


class PictureNotUsableError(InvalidInputError):
    """A detector cannot make anything of this picture, and never will."""

    default_message = "The picture cannot be decoded"
    default_error_code = "PICTURE_NOT_USABLE"
