"""Admin pages of zones, masks and detection limits, by themselves and on their camera's page."""

from typing import Any

from django.contrib import admin

from cameras import services
from cameras.models import DetectionLimit, Mask, Zone
from siteadmin.core.admin import BaseInline, ServiceAdmin, VersionedForm, save_lines


class ZoneInline(BaseInline):
    """The zones of a camera, on its page."""

    model = Zone
    extra = 0
    tab = True
    fields = ("name", "zone_type", "coordinates", "color", "enabled", "priority")


class MaskInline(BaseInline):
    """The masks of a camera, on its page."""

    model = Mask
    extra = 0
    tab = True
    fields = ("name", "coordinates", "object_types", "enabled")


class DetectionLimitInline(BaseInline):
    """What an object must be to count on this camera."""

    model = DetectionLimit
    extra = 0
    tab = True
    fields = ("object_type", "ignored", "min_confidence", "min_area", "max_area")


def save_shapes(formset: Any, *, camera_id: str) -> None:
    """Store the lines of one of these inlines by the services."""
    page: type[ServiceAdmin] = {Zone: ZoneAdmin, Mask: MaskAdmin, DetectionLimit: DetectionLimitAdmin}[formset.model]
    camera = services.lock_camera(camera_id)
    save_lines(
        formset,
        create=lambda fields: page.create(fields={**fields, "camera": camera}),
        change=lambda key, fields: page.change(key, fields=fields),
        delete=page.delete,
    )


def _create_zone(*, fields: dict[str, Any]) -> Zone:
    values = dict(fields)
    return services.create_zone(values.pop("camera"), fields=values)


def _create_mask(*, fields: dict[str, Any]) -> Mask:
    values = dict(fields)
    return services.create_mask(values.pop("camera"), fields=values)


class ZoneForm(VersionedForm[Zone]):
    """A zone."""

    class Meta:
        model = Zone
        fields = ("camera", "name", "zone_type", "coordinates", "color", "enabled", "priority")


@admin.register(Zone)
class ZoneAdmin(ServiceAdmin):
    """Zones of all cameras."""

    form = ZoneForm
    create, change, delete = _create_zone, services.update_zone, services.delete_zone
    list_display = ("name", "camera", "zone_type", "color", "enabled", "priority")
    list_filter = ("zone_type", "enabled", "camera")
    list_select_related = ("camera",)
    search_fields = ("name", "camera__name")
    autocomplete_fields = ("camera",)


class MaskForm(VersionedForm[Mask]):
    """A mask."""

    class Meta:
        model = Mask
        fields = ("camera", "name", "coordinates", "object_types", "enabled")


@admin.register(Mask)
class MaskAdmin(ServiceAdmin):
    """Masks of all cameras."""

    form = MaskForm
    create, change, delete = _create_mask, services.update_mask, services.delete_mask
    list_display = ("name", "camera", "object_types", "enabled")
    list_filter = ("enabled", "camera")
    list_select_related = ("camera",)
    search_fields = ("name", "camera__name")
    autocomplete_fields = ("camera",)


class DetectionLimitForm(VersionedForm[DetectionLimit]):
    """A limit."""

    class Meta:
        model = DetectionLimit
        fields = ("camera", "object_type", "ignored", "min_confidence", "min_area", "max_area")


@admin.register(DetectionLimit)
class DetectionLimitAdmin(ServiceAdmin):
    """Limits of all cameras and of single ones."""

    form = DetectionLimitForm
    create = services.create_detection_limit
    change, delete = services.update_detection_limit, services.delete_detection_limit
    list_display = ("__str__", "ignored", "min_confidence", "min_area", "max_area")
    list_filter = ("camera", "ignored")
    list_select_related = ("camera",)
    search_fields = ("object_type", "camera__name")
    autocomplete_fields = ("camera",)
