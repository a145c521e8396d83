"""Admin pages of cameras, zones and snapshots."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from cameras import (
    admin_unassigned,  # noqa: F401 - registers its page
    services,
)
from cameras.admin_pictures import player, thumbnail
from cameras.admin_shapes import DetectionLimitInline, MaskInline, ZoneInline, save_shapes
from cameras.choices import MediaType
from cameras.detector_choice import configured_detectors
from cameras.folders import slugify_folder
from cameras.models import Camera, CameraFolder, CameraStatusChange, Snapshot
from siteadmin.core.admin import (
    BaseInline,
    ReadOnlyAdmin,
    ServiceAdmin,
    VersionedForm,
    WaitingFilter,
    act_on_each,
    save_lines,
)
from siteadmin.core.exceptions import ValidationError


class CameraForm(VersionedForm[Camera]):
    """A camera's form; its id and folder follow from its name where they are not given."""

    class Meta:
        model = Camera
        fields = (
            "name",
            "id",
            "folder_path",
            "timezone",
            "status",
            "offline_after_seconds",
            "timer_pictures",
            "retention_days",
            "detector",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "detector" in self.fields:
            names = configured_detectors()
            # A choice that is no longer configured stays to be seen, and is refused on saving.
            kept = [self.instance.detector] if self.instance.detector not in ("", *names) else []
            choices = [("", f"The site's ({names[0]})"), *((name, name) for name in [*names, *kept])]
            self.fields["detector"] = forms.ChoiceField(
                choices=choices,
                required=False,
                help_text=self.fields["detector"].help_text,
                widget=UnfoldAdminSelectWidget,
            )
        for name, hint in (("id", "Empty: made from the name."), ("folder_path", "Empty: the id.")):
            if name in self.fields:
                self.fields[name].required = False
                self.fields[name].help_text = f"{self.fields[name].help_text} {hint}".strip()

    def clean(self) -> dict[str, Any]:
        """Fill in what follows from the name."""
        values = super().clean() or self.cleaned_data
        if not self.instance.pk and not values.get("id") and values.get("name"):
            values["id"] = slugify_folder(values["name"])
        camera_id = values.get("id") or self.instance.pk
        if "folder_path" in self.fields and camera_id:
            try:
                values["folder_path"] = services.normalize_folder_path(values.get("folder_path") or camera_id)
            except ValidationError as error:
                self.add_error("folder_path", error.errors[0]["detail"])
        return values


class CameraFolderInline(BaseInline):
    """Further folders whose pictures are this camera's."""

    model = CameraFolder
    extra = 0
    tab = True
    fields = ("folder_path",)
    verbose_name_plural = "further folders"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They come from unassigned uploads."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are kept or removed."""
        return False


@admin.register(Camera)
class CameraAdmin(ServiceAdmin):
    """Cameras; deleting is undone by restoring."""

    form = CameraForm
    create, change = services.create_camera, services.update_camera
    inlines = (ZoneInline, MaskInline, DetectionLimitInline, CameraFolderInline)
    list_display = ("picture", "name", "id", "status", "last_seen_at", "folder_path", "demo", "deleted_at")
    list_display_links = ("name",)
    list_filter = ("status", ("deleted_at", admin.EmptyFieldListFilter), "demo")
    search_fields = ("name", "id", "folder_path")
    readonly_fields = ("picture", "last_seen_at", "clock", "ftp_user", "demo", "created_at", "deleted_at")
    actions_submit_line: ClassVar = ["make_ftp_password"]
    actions: ClassVar = ["delete_cameras", "restore_cameras"]

    def get_rows(self, request: HttpRequest) -> QuerySet[Camera]:
        """Load each one's newest picture along."""
        return Camera.objects.with_latest_snapshot().order_by(*(self.get_ordering(request) or ("name", "id")))

    def get_readonly_fields(self, request: HttpRequest, obj: Camera | None = None) -> Sequence[str]:
        """An id never changes."""
        shown = super().get_readonly_fields(request, obj)
        return shown if obj is None else ("id", *shown)

    @admin.display(description="Latest")
    def picture(self, camera: Camera) -> str:
        """Show the newest picture."""
        return thumbnail(getattr(camera, "latest_snapshot_id", None), height=48)

    @admin.display(description="Clock")
    def clock(self, camera: Camera) -> str:
        """Show what is wrong with its clock."""
        fault = camera.clock_fault
        if not fault:
            return "No fault seen"
        at = date_format(timezone.localtime(datetime.fromisoformat(fault["at"])), "DATETIME_FORMAT")
        stated = fault["stated"].replace("T", " ")
        return f"{fault['reason']} It said {stated} on {at}; the time of arrival was taken instead."

    @admin.display(description="FTP user")
    def ftp_user(self, camera: Camera) -> str:
        """Show the name that it logs in with."""
        return camera.pk if camera.ftp_password else "No password was made"

    @action(description="Save and make an FTP password", permissions=["change"])  # type: ignore[untyped-decorator]
    def make_ftp_password(self, request: HttpRequest, obj: Camera) -> None:
        """Make a new password and show it once."""
        password = services.make_ftp_password(obj.pk)
        messages.warning(request, f"FTP user {obj.pk}, password {password}. Note it now: it is not shown again.")

    def save_formset(self, request: HttpRequest, form: CameraForm, formset: Any, change: bool) -> None:  # noqa: FBT001
        """Store the lines of the inlines by the services."""
        if formset.model is CameraFolder:
            save_lines(formset, delete=services.remove_folder)
        else:
            save_shapes(formset, camera_id=form.instance.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A camera goes by the action, which can be undone; its rows would go with it otherwise."""
        return False

    @admin.action(description="Delete: hide it and all that belongs to it", permissions=["change"])
    def delete_cameras(self, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
        """Delete softly."""
        act_on_each(request, queryset, lambda camera: services.delete_camera(camera.pk), done="deleted")

    @admin.action(description="Restore", permissions=["change"])
    def restore_cameras(self, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
        """Undo the deletion."""
        act_on_each(request, queryset, lambda camera: services.restore_camera(camera.pk), done="restored")


@admin.register(CameraStatusChange)
class CameraStatusChangeAdmin(ReadOnlyAdmin):
    """When cameras fell silent and came back; `extra_panels` of other apps stand below, each made from the change for
    whoever asks."""

    extra_panels: ClassVar[list[Callable[[CameraStatusChange, HttpRequest], SafeString]]] = []

    change_form_outer_after_template = "cameras/admin_change.html"
    list_display = ("camera", "status", "at")
    list_filter = ("status", "camera")
    list_select_related = ("camera",)
    exclude = ("claim_token", "swept_at")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Show the change with what followed from it."""
        change = self.get_object(request, unquote(object_id))
        panels = [] if change is None else [make(change, request) for make in self.extra_panels]
        answer: HttpResponseBase = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "panels": list(filter(None, panels))}
        )
        return answer


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    """What cameras sent; the pipeline owns these rows."""

    list_display = ("picture", "camera", "name", "captured_at", "trigger", "state", "error")
    list_display_links = ("name",)
    list_filter = ("state", WaitingFilter, "trigger", "camera")
    list_select_related = ("camera",)
    search_fields = ("name", "sha256")
    fields = (
        *("whole_picture", "camera", "name", "captured_at", "received_at", "trigger", "state", "error", "due_at"),
        *("media_type", "width", "height", "size", "duration_seconds", "codec", "stated_at", "sha256", "file"),
    )
    readonly_fields = ("whole_picture",)

    @admin.display(description="Picture")
    def picture(self, snapshot: Snapshot) -> str:
        """Show the picture, small."""
        if snapshot.media_type == MediaType.VIDEO:
            return "Clip"
        return thumbnail(snapshot.pk if snapshot.width else None, height=40)

    @admin.display(description="Picture")
    def whole_picture(self, snapshot: Snapshot) -> str:
        """Show the picture, or play the clip."""
        if snapshot.media_type == MediaType.VIDEO and snapshot.width:
            return player(snapshot.pk)
        return thumbnail(snapshot.pk if snapshot.width else None, height=360)
