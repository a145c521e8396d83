"""Making, changing and deleting a camera's zones and masks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from cameras.geometry import PolygonError, parse_polygon
from cameras.models import Camera, Mask, Zone
from siteadmin.core.exceptions import DuplicateResourceError, ValidationError

_UNIQUE = {"zone_name_unique": "zone", "mask_name_unique": "mask"}


def create_zone(camera: Camera, *, fields: dict[str, Any]) -> Zone:
    """Create a zone; raises ValidationError for coordinates that make no polygon, DuplicateResourceError for a name."""
    zone = Zone(camera=camera, **_checked(fields))
    with _name_is_free(zone):
        Zone.objects.insert(zone)
    zone.refresh_from_db()
    return zone


def update_zone(zone: Zone, *, fields: dict[str, Any]) -> Zone:
    """Change these fields of a zone; raises as `create_zone` does."""
    for name, value in _checked(fields).items():
        setattr(zone, name, value)
    with _name_is_free(zone):
        Zone.objects.update(zone)
    return zone


def delete_zone(zone: Zone) -> None:
    """Delete a zone; detections keep the ids of zones they were in."""
    Zone.objects.delete(zone)


def create_mask(camera: Camera, *, fields: dict[str, Any]) -> Mask:
    """Create a mask; raises as `create_zone` does."""
    mask = Mask(camera=camera, **_checked(fields))
    with _name_is_free(mask):
        Mask.objects.insert(mask)
    mask.refresh_from_db()
    return mask


def update_mask(mask: Mask, *, fields: dict[str, Any]) -> Mask:
    """Change these fields of a mask; raises as `create_zone` does."""
    for name, value in _checked(fields).items():
        setattr(mask, name, value)
    with _name_is_free(mask):
        Mask.objects.update(mask)
    return mask


def delete_mask(mask: Mask) -> None:
    """Delete a mask; what it hid was never recorded and does not come back."""
    Mask.objects.delete(mask)


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
