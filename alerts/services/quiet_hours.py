"""Quiet hours: made, changed and deleted; the same for admin pages and API."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from alerts.models import QuietHours
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import QuietHoursNotFoundError


def create_quiet_hours(*, fields: Mapping[str, Any]) -> QuietHours:
    """Make quiet hours of a channel or of a person."""
    with transaction.atomic():
        quiet = QuietHours.objects.save(QuietHours(**fields))
        record_created(quiet)
    return quiet


def update_quiet_hours(quiet_id: int, *, fields: Mapping[str, Any], expected_version: int | None = None) -> QuietHours:
    """Change what is given; QuietHoursNotFoundError, VersionConflictError."""
    with transaction.atomic():
        quiet = _locked(quiet_id)
        with changing(quiet, expected_version=expected_version):
            for name, value in fields.items():
                setattr(quiet, name, value)
            QuietHours.objects.update(quiet)
    return quiet


def delete_quiet_hours(quiet_id: int, *, expected_version: int | None = None) -> None:
    """Delete quiet hours; QuietHoursNotFoundError, VersionConflictError."""
    with transaction.atomic():
        quiet = _locked(quiet_id)
        with changing(quiet, action="delete", expected_version=expected_version):
            QuietHours.objects.delete(quiet)


def _locked(quiet_id: int) -> QuietHours:
    quiet = QuietHours.objects.lock(quiet_id)
    if quiet is None:
        raise QuietHoursNotFoundError(quiet_id)
    return quiet
