"""Making, changing and deleting a camera's zones and masks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from cameras.geometry import PolygonError, parse_polygon
from cameras.models import Camera, Mask, Zone
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import (
    DuplicateResourceError,
    MaskNotFoundError,
    NotFoundError,
    ValidationError,
    ZoneNotFoundError,
)

S = TypeVar("S", Zone, Mask)

_UNIQUE = {"zone_name_unique": "zone", "mask_name_unique": "mask"}


def create_zone(camera: Camera, *, fields: dict[str, Any]) -> Zone:
    """Create a zone; raises ValidationError for coordinates that make no polygon, DuplicateResourceError for a name."""
    zone = Zone(camera=camera, **_checked(fields))
    with transaction.atomic():
        with _name_is_free(zone):
            Zone.objects.insert(zone)
        record_created(zone)
    return zone


def update_zone(zone_id: int, *, fields: dict[str, Any], expected_version: int | None = None) -> Zone:
    """Change these fields of a zone; raises as `create_zone` does, ZoneNotFoundError and VersionConflictError."""
    with transaction.atomic():
        zone = _found(Zone.objects.lock(zone_id), ZoneNotFoundError(zone_id))
        with changing(zone, expected_version=expected_version), _name_is_free(zone):
            Zone.objects.update(_with(zone, fields))
    return zone


def delete_zone(zone_id: int, *, expected_version: int | None = None) -> None:
    """Delete a zone; detections keep the ids of zones they were in."""
    with transaction.atomic():
        zone = _found(Zone.objects.lock(zone_id), ZoneNotFoundError(zone_id))
        with changing(zone, action="delete", expected_version=expected_version):
            Zone.objects.delete(zone)


def create_mask(camera: Camera, *, fields: dict[str, Any]) -> Mask:
    """Create a mask; raises as `create_zone` does."""
    mask = Mask(camera=camera, **_checked(fields))
    with transaction.atomic():
        with _name_is_free(mask):
            Mask.objects.insert(mask)
        record_created(mask)
    return mask


def update_mask(mask_id: int, *, fields: dict[str, Any], expected_version: int | None = None) -> Mask:
    """Change these fields of a mask; raises as `create_zone` does, MaskNotFoundError and VersionConflictError."""
    with transaction.atomic():
        mask = _found(Mask.objects.lock(mask_id), MaskNotFoundError(mask_id))
        with changing(mask, expected_version=expected_version), _name_is_free(mask):
            Mask.objects.update(_with(mask, fields))
    return mask


def delete_mask(mask_id: int, *, expected_version: int | None = None) -> None:
    """Delete a mask; what it hid was never recorded and does not come back."""
    with transaction.atomic():
        mask = _found(Mask.objects.lock(mask_id), MaskNotFoundError(mask_id))
        with changing(mask, action="delete", expected_version=expected_version):
            Mask.objects.delete(mask)


def _found(shape: S | None, refusal: NotFoundError) -> S:
    if shape is None:
        raise refusal
    return shape


def _with(shape: S, fields: dict[str, Any]) -> S:
    for name, value in _checked(fields).items():
        setattr(shape, name, value)
    return shape


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    if "coordinates" not in fields:
        return fields
    try:
        return {**fields, "coordinates": [list(point) for point in parse_polygon(fields["coordinates"])]}
    except PolygonError as error:
        detail = str(error)
        raise ValidationError(
            f"coordinates: {detail}", errors=[{"field": "coordinates", "code": "invalid_polygon", "detail": detail}]
        ) from error


@contextmanager
def _name_is_free(shape: Zone | Mask) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        kind = _UNIQUE.get(getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or "")
        if kind is None:
            raise
        raise DuplicateResourceError(
            f"The camera has a {kind} with this name already", details={"field": "name", "name": shape.name}
        ) from error
