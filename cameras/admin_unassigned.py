"""The admin pages of uploads that no camera owns: whoever says whose a folder is lets all of it through."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminSelectWidget

from cameras import services
from cameras.admin_pictures import NO_PICTURE, picture_link
from cameras.models import Camera, UnassignedUpload
from siteadmin.core.admin import ReadOnlyAdmin, act_on_each

ON_THEIR_WAY = "assigned; the pictures are on their way"


class AssignForm(ActionForm):  # type: ignore[misc]  # unfold is untyped
    """The actions of unassigned uploads, with the camera that one of them needs."""

    camera = forms.ModelChoiceField(
        queryset=Camera.objects.active(),
        required=False,
        empty_label="(camera to assign to)",
        label="",
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(UnassignedUpload)
class UnassignedUploadAdmin(ReadOnlyAdmin):
    """Each with its picture and what its path tells of the camera; a button makes that camera or assigns the folder."""

    list_display = ("picture", "make_camera", "folder", "name", "sender", "received_at", "error")
    list_display_links = ("name",)
    list_filter = ("folder", "maker")
    search_fields = ("folder", "name", "serial", "mac", "ip", "alias")
    fields = ("folder", "name", "sender", "trigger", "file_time", "received_at", "size", "error")
    readonly_fields = ("sender",)
    action_form = AssignForm
    actions: ClassVar = ["make_cameras", "assign_to_camera", "discard"]
    change_form_outer_before_template = "cameras/admin_unassigned.html"

    def get_rows(self, request: HttpRequest) -> QuerySet[UnassignedUpload]:
        """Leave out what is under way."""
        return UnassignedUpload.objects.waiting()

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Leave the button out for those who may not press it."""
        return tuple(name for name in self.list_display if name != "make_camera" or self.has_assign_permission(request))

    def get_urls(self) -> list[URLPattern]:
        """Add what the buttons post to."""
        assign = path(
            "<int:upload_id>/assign/",
            self.admin_site.admin_view(self.assign_view),
            name="cameras_unassignedupload_assign",
        )
        urls: list[URLPattern] = super().get_urls()
        return [assign, *urls]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        """Show an upload with its picture, and the buttons to those who may press them."""
        shown = {"cameras": Camera.objects.active(), "may_assign": self.has_assign_permission(request)}
        answer: HttpResponseBase = super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )
        return answer

    def has_assign_permission(self, request: HttpRequest) -> bool:
        """Whoever may change cameras, and see what belongs to none, may say whose an upload is."""
        return request.user.has_perms(["cameras.change_camera", "cameras.view_unassignedupload"])

    @admin.display(description="Picture")
    def picture(self, upload: UnassignedUpload) -> str:
        """Show the picture."""
        if upload.width is None:
            return NO_PICTURE
        return picture_link(f"/api/unassigned-uploads/{upload.pk}/image", f"Picture {upload.pk}", height=80)

    @admin.display(description="Sent by, as its path tells")
    def sender(self, upload: UnassignedUpload) -> str:
        """Tell what the path says of the camera."""
        told = {"serial": upload.serial, "MAC": upload.mac, "address": upload.ip, "named": upload.alias}
        channel = services.channel_of(upload)
        parts = [upload.maker, *(f"{name} {value}" for name, value in told.items() if value)]
        parts += [] if channel is None else [f"channel {channel}"]
        return ", ".join(part for part in parts if part) or "–"

    @admin.display(description="Whose it is")
    def make_camera(self, upload: UnassignedUpload) -> str:
        """Give a button that makes a camera of the folder; it posts the list's own form, with its token."""
        return format_html(
            '<button type="submit" class="sa-button" formaction="{}">Make a camera</button>',
            reverse("admin:cameras_unassignedupload_assign", args=[upload.pk]),
        )

    def assign_view(self, request: HttpRequest, upload_id: int) -> HttpResponseBase:
        """Give an upload's folder to the camera that was chosen, or to one made of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_assign_permission(request):
            raise PermissionDenied("Saying whose an upload is takes the role operator")
        upload = UnassignedUpload.objects.get_waiting(upload_id)
        if upload is None:
            messages.error(request, "The upload has been assigned or discarded already.")
        elif "assign" in request.POST:
            self._assign_to_chosen(request, [upload])
        else:
            self._assign(request, [upload], camera_id=None)
        return redirect("admin:cameras_unassignedupload_changelist")

    @admin.action(description="Make a camera of the folder", permissions=["assign"])
    def make_cameras(self, request: HttpRequest, queryset: QuerySet[UnassignedUpload]) -> None:
        """Make a camera of each folder."""
        self._assign(request, queryset, camera_id=None)

    @admin.action(description="Assign the folder to the camera", permissions=["assign"])
    def assign_to_camera(self, request: HttpRequest, queryset: QuerySet[UnassignedUpload]) -> None:
        """Give each folder to the camera that was chosen."""
        self._assign_to_chosen(request, queryset)

    @admin.action(description="Discard", permissions=["assign"])
    def discard(self, request: HttpRequest, queryset: QuerySet[UnassignedUpload]) -> None:
        """Throw uploads away."""
        act_on_each(request, queryset, services.discard_upload, done="discarded")

    def _assign_to_chosen(self, request: HttpRequest, uploads: Any) -> None:
        camera_id = request.POST.get("camera")
        if not camera_id:
            messages.error(request, "Choose the camera first.")
            return
        self._assign(request, uploads, camera_id=camera_id)

    def _assign(self, request: HttpRequest, uploads: Any, *, camera_id: str | None) -> None:
        one_of_each = {upload.folder: upload for upload in uploads}
        act_on_each(
            request,
            one_of_each.values(),
            lambda upload: services.assign_folder(upload, camera_id=camera_id),
            done=ON_THEIR_WAY,
        )
