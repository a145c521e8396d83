"""The admin pages of people and groups."""

from typing import Any, ClassVar

from axes.models import AccessAttempt
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelect2MultipleWidget

from cameras.models import Camera
from cameras.services import limit_staff
from siteadmin.accounts.locks import unlock, unlock_attempt
from siteadmin.accounts.sessions import confirmed_factor
from siteadmin.accounts.two_factor import remove_second_factor
from siteadmin.core.admin import BaseAdmin, ReadOnlyAdmin
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
    filter_horizontal = ()  # its two boxes are wider than the page
    list_display = ["username", "email", "is_active", "is_staff", "sees", "takes_code", "last_login"]
    actions = ["reset_second_factors"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Cameras", {"fields": ("sees", "cameras")}))

    def get_rows(self, request: HttpRequest) -> QuerySet[User]:
        """Load each one's limit along."""
        rows: QuerySet[User] = super().get_rows(request).select_related("camera_limit", "two_factor")
        return rows

    @admin.display(description="Two-factor", boolean=True)
    def takes_code(self, user: User) -> bool:
        """Tell whether their logins take a code."""
        return confirmed_factor(user) is not None

    @admin.action(description="Reset two-factor login: the password alone is enough again", permissions=["change"])
    def reset_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Remove the second factor of who lost theirs."""
        count = sum(remove_second_factor(user, action="reset_two_factor") for user in queryset)
        messages.success(request, f"{count} reset.")

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


@admin.register(AccessAttempt)
class FailedLoginAdmin(ReadOnlyAdmin):
    """Names that failed to log in, by address; LOGIN_FAILURES and LOGIN_ADDRESS_FAILURES say when these are locked."""

    list_display: ClassVar = ["username", "ip_address", "failures_since_start", "attempt_time"]
    search_fields: ClassVar = ["username", "ip_address"]
    fields: ClassVar = ["username", "ip_address", "user_agent", "path_info", "failures_since_start", "attempt_time"]
    actions: ClassVar = ["unlock_logins", "unlock_addresses"]

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whoever may delete failures may unlock."""
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description="Unlock: forget these failures", permissions=["unlock"])
    def unlock_logins(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """Let them try again at once."""
        messages.success(request, f"{sum(unlock_attempt(attempt) for attempt in queryset)} unlocked.")

    @admin.action(description="Unlock addresses: forget all failures from there", permissions=["unlock"])
    def unlock_addresses(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """Let all names try again from these addresses."""
        addresses = {attempt.ip_address for attempt in queryset} - {None}
        messages.success(request, f"{sum(unlock(address=address) for address in addresses)} unlocked.")
