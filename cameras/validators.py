"""Checks of single values, for forms and the API alike."""

from typing import Any

from django.core.exceptions import ValidationError

from cameras.geometry import PolygonError, parse_polygon
from siteadmin.core.timezones import find_zone


def validate_timezone(value: str) -> None:
    """Refuse what is no IANA time zone."""
    if find_zone(value) is None:
        raise ValidationError("Enter an IANA time zone, such as Europe/Berlin.", code="invalid_timezone")


def validate_polygon(value: Any) -> None:
    """Refuse points that make no polygon."""
    try:
        parse_polygon(value)
    except PolygonError as error:
        raise ValidationError(str(error), code="invalid_polygon") from error
