"""Quiet hours: made, changed and deleted, the same for admin pages and API; what they once were stays known."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from alerts.models import Mode, QuietHours
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import QuietHoursNotFoundError


def create_quiet_hours(*, fields: Mapping[str, Any]) -> QuietHours:
    """Make quiet hours of a channel or of a person."""
    with transaction.atomic():
        now, _ = Mode.objects.clock_and_active()
        quiet = QuietHours.objects.save(QuietHours(**fields, counts_from=now))
        record_created(quiet)
    return quiet


def update_quiet_hours(quiet_id: int, *, fields: Mapping[str, Any], expected_version: int | None = None) -> QuietHours:
    """Change what is given; QuietHoursNotFoundError, VersionConflictError."""
    with transaction.atomic():
        quiet = _locked(quiet_id)
        now, _ = Mode.objects.clock_and_active()
        news = {name: value for name, value in fields.items() if getattr(quiet, name) != value}
        with changing(quiet, expected_version=expected_version):
            if news:
                QuietHours.objects.keep_as_it_was(quiet, at=now)
                for name, value in {**news, "counts_from": now}.items():
                    setattr(quiet, name, value)
                QuietHours.objects.update(quiet)
    return quiet


def delete_quiet_hours(quiet_id: int, *, expected_version: int | None = None) -> None:
    """Delete quiet hours; QuietHoursNotFoundError, VersionConflictError."""
    with transaction.atomic():
        quiet = _locked(quiet_id)
        now, _ = Mode.objects.clock_and_active()
        with changing(quiet, action="delete", expected_version=expected_version):
            QuietHours.objects.retire(quiet_id, at=now)


def _locked(quiet_id: int) -> QuietHours:
    quiet = QuietHours.objects.get_locked(quiet_id)
    if quiet is None:
        raise QuietHoursNotFoundError(quiet_id)
    return quiet
