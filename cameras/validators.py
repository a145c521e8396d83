"""Checks of single values, for forms and the API alike."""

from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError

from cameras.geometry import PolygonError, parse_polygon


def validate_timezone(value: str) -> None:
    """Refuse what is no IANA time zone."""
    try:
        known = value in available_timezones() or bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise ValidationError("Enter an IANA time zone, such as Europe/Berlin.", code="invalid_timezone")


def validate_polygon(value: Any) -> None:
    """Refuse points that make no polygon."""
    try:
        parse_polygon(value)
    except PolygonError as error:
        raise ValidationError(str(error), code="invalid_polygon") from error
