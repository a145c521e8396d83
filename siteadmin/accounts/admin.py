"""The admin pages of people and groups."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelect2MultipleWidget

from cameras.models import Camera
from cameras.services import limit_staff
from siteadmin.core.admin import BaseAdmin
from siteadmin.core.audit_admin import RecordedAdmin, RecordedPasswordForm

admin.site.unregister(User)
admin.site.unregister(Group)


class SiteUserForm(UserChangeForm):  # type: ignore[misc]  # unfold is untyped
    """A user's form, with the cameras that they are limited to."""

    sees = forms.ChoiceField(
        label="Sees",
        choices=[("all", "All cameras, and what belongs to none"), ("some", "Only the cameras chosen here")],
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Limits pages, pictures, the API and notifications alike. Superusers see everything.",
    )
    cameras = forms.MultipleChoiceField(required=False, widget=UnfoldAdminSelect2MultipleWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = getattr(self.instance, "camera_limit", None)
        chosen = [] if limit is None else limit.camera_ids
        self.initial |= {"sees": "all" if limit is None else "some", "cameras": chosen}
        if "cameras" in self.fields:  # the page of somebody who may only look has none
            offered = {camera.pk: camera.name for camera in Camera.objects.active()}
            gone = {camera_id: f"{camera_id} (gone)" for camera_id in chosen if camera_id not in offered}
            self.fields["cameras"].choices = list((offered | gone).items())

    def clean(self) -> dict[str, Any]:
        """Refuse a limit that leaves nothing, or that could not hold."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("sees") == "some":
            if values.get("is_superuser"):
                self.add_error("sees", "A superuser sees everything; take the status away first.")
            if not values.get("cameras"):
                self.add_error("cameras", "Choose at least one camera.")
        return values


@admin.register(User)
class SiteUserAdmin(RecordedAdmin, UserAdmin[User], BaseAdmin):  # type: ignore[misc]  # unfold is untyped
    """People; their group gives them their role."""

    form = SiteUserForm
    add_form = UserCreationForm
    change_password_form = RecordedPasswordForm
    readonly_fields = ["last_login", "date_joined"]
    list_display = ["username", "email", "is_active", "is_staff", "sees", "last_login"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Cameras", {"fields": ("sees", "cameras")}))

    def get_rows(self, request: HttpRequest) -> QuerySet[User]:
        """Load each one's limit along."""
        rows: QuerySet[User] = super().get_rows(request).select_related("camera_limit")
        return rows

    @admin.display(description="Sees")
    def sees(self, user: User) -> str:
        """Name the cameras that they are limited to."""
        limit = getattr(user, "camera_limit", None)
        return "All cameras" if limit is None or user.is_superuser else ", ".join(limit.camera_ids)

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool) -> None:  # noqa: FBT001
        """Store the user and, from their own page, their limit."""
        super().save_model(request, obj, form, change)
        if change and "sees" in form.cleaned_data:
            is_limited = form.cleaned_data["sees"] == "some"
            limit_staff(obj.pk, camera_ids=form.cleaned_data["cameras"] if is_limited else None)


@admin.register(Group)
class SiteGroupAdmin(RecordedAdmin, GroupAdmin, BaseAdmin):  # type: ignore[misc]
    """Groups; those named after a role give it."""
