"""Making, changing and deleting limits of what counts as an object."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from cameras.models import DetectionLimit
from siteadmin.core.exceptions import DuplicateResourceError, ValidationError


def create_detection_limit(*, fields: dict[str, Any]) -> DetectionLimit:
    """Create a limit; raises ValidationError for areas the wrong way round, DuplicateResourceError for a second one."""
    limit = DetectionLimit(**fields)
    _check(limit)
    with _is_the_only_one(limit):
        DetectionLimit.objects.insert(limit)
    limit.refresh_from_db()
    return limit


def update_detection_limit(limit: DetectionLimit, *, fields: dict[str, Any]) -> DetectionLimit:
    """Change these fields of a limit; raises as `create_detection_limit` does."""
    for name, value in fields.items():
        setattr(limit, name, value)
    _check(limit)
    with _is_the_only_one(limit):
        DetectionLimit.objects.update(limit)
    return limit


def delete_detection_limit(limit: DetectionLimit) -> None:
    """Delete a limit; what it kept out does not come back."""
    DetectionLimit.objects.delete(limit)


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
