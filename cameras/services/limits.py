"""Making, changing and deleting limits of what counts as an object."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from cameras.models import DetectionLimit
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import DetectionLimitNotFoundError, DuplicateResourceError, ValidationError


def create_detection_limit(*, fields: dict[str, Any]) -> DetectionLimit:
    """Create a limit; raises ValidationError for areas the wrong way round, DuplicateResourceError for a second one."""
    limit = DetectionLimit(**fields)
    _check(limit)
    with transaction.atomic():
        with _is_the_only_one(limit):
            DetectionLimit.objects.insert(limit)
        record_created(limit)
    return limit


def update_detection_limit(
    limit_id: int, *, fields: dict[str, Any], expected_version: int | None = None
) -> DetectionLimit:
    """Change these fields of a limit; raises as `create_detection_limit` does, and VersionConflictError."""
    with transaction.atomic():
        limit = _locked(limit_id)
        with changing(limit, expected_version=expected_version), _is_the_only_one(limit):
            for name, value in fields.items():
                setattr(limit, name, value)
            _check(limit)
            DetectionLimit.objects.update(limit)
    return limit


def delete_detection_limit(limit_id: int, *, expected_version: int | None = None) -> None:
    """Delete a limit; what it kept out does not come back."""
    with transaction.atomic():
        limit = _locked(limit_id)
        with changing(limit, action="delete", expected_version=expected_version):
            DetectionLimit.objects.delete(limit)


def _locked(limit_id: int) -> DetectionLimit:
    limit = DetectionLimit.objects.lock(limit_id)
    if limit is None:
        raise DetectionLimitNotFoundError(limit_id)
    return limit


def _check(limit: DetectionLimit) -> None:
    if limit.min_area is not None and limit.max_area is not None and limit.min_area > limit.max_area:
        detail = "The smallest area is above the largest"
        raise ValidationError(detail, errors=[{"field": "min_area", "code": "invalid", "detail": detail}])


@contextmanager
def _is_the_only_one(limit: DetectionLimit) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) != "detection_limit_unique":
            raise
        raise DuplicateResourceError(
            "There is a limit for this camera and type already",
            details={"field": "object_type", "camera": limit.camera_id, "object_type": limit.object_type},
        ) from error
