"""Logging in and out: name and password, then the code of the second factor where the user has one."""

import math
import time
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from siteadmin.accounts.locks import address_locked_until, client_address, locked_until, told
from siteadmin.accounts.repositories import load_user, take_turn
from siteadmin.accounts.sessions import SESSION_KEY, confirmed_factor
from siteadmin.accounts.trail import Reason, record_failure, record_login, record_logout
from siteadmin.accounts.two_factor import check_code
from siteadmin.core.exceptions import InvalidStateTransitionError
from siteadmin.core.sealing import UnsealError

PENDING = "pending_login"
PENDING_SECONDS = 300
"""How long somebody who gave the password may take for the code."""
TURN = timedelta(seconds=2)
"""How long a login waits for those of its address before it; a password is looked at for some tenths of a second."""
BACKEND = "siteadmin.accounts.backends.StaffBackend"


class StaffLoginForm(AuthenticationForm):  # type: ignore[misc]  # unfold is untyped
    """Name and password of a member of staff; says until when too many tries have locked the name, or its address."""

    locked_until: datetime | None = None
    locks_address = False

    def clean(self) -> dict[str, Any]:
        """Look at one login of an address at a time: tries at the same moment are no more than tries in turn."""
        address = client_address(self.request)
        with transaction.atomic():
            if not take_turn(address, wait=TURN):
                self.locked_until = timezone.now() + TURN
                raise forms.ValidationError("Other logins from your address are under way; try again.", code="busy")
            self._refuse_locked_address(address)
            try:
                values: dict[str, Any] = super().clean()
            except forms.ValidationError as error:
                refusal = error  # the failure that is counted must stay
            else:
                return values
        raise refusal

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Say what is wrong, and nothing of whether the name exists."""
        address = client_address(self.request)
        if getattr(self.request, "axes_locked_out", False):
            self.locked_until = locked_until(self.cleaned_data["username"], address)
        if self.locked_until is not None:
            text = f"Too many failed logins: locked until {told(self.locked_until)}. An admin can unlock you."
            return forms.ValidationError(text, code="locked")
        self._refuse_locked_address(address)
        error: forms.ValidationError = super().get_invalid_login_error()
        return error

    def _refuse_locked_address(self, address: str | None) -> None:
        self.locked_until = address_locked_until(address)
        if self.locked_until is not None:
            self.locks_address = True
            text = f"Too many failed logins from your address: locked until {told(self.locked_until)}."
            raise forms.ValidationError(f"{text} An admin can unlock it.", code="locked")


@method_decorator([login_not_required, never_cache, csrf_protect], name="dispatch")
class StaffLoginView(LoginView):
    """The first step; whoever has a second factor is led to the second."""

    template_name = "accounts/login.html"
    authentication_form = StaffLoginForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Give the admin's own page what it shows."""
        name = self.request.user.get_username()
        shown = {"title": "Log in", "app_path": self.request.get_full_path(), "username": name}
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs), **shown}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; who is logged in goes on."""
        if request.user.is_authenticated and request.user.is_staff:
            return redirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in, or ask for the code; the password alone opens no session."""
        user = form.get_user()
        if confirmed_factor(load_user(user.pk)) is None:
            _open_session(self.request, user)
            return redirect(self.get_success_url())
        self.request.session.cycle_key()
        self.request.session[PENDING] = {
            "user": user.pk,
            "password": user.get_session_auth_hash(),
            "at": time.time(),
            "next": self.get_success_url(),
        }
        return redirect("login-code")

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show what is wrong, record it, and tell programs by the status that the name is locked."""
        response = super().form_invalid(form)
        name, is_counted = form.cleaned_data.get("username"), True
        if form.locked_until is not None:
            response.status_code = 429
            response["Retry-After"] = str(math.ceil((form.locked_until - timezone.now()).total_seconds()))
            # A password that a lock kept from being looked at is not a failure, and would fill the trail.
            is_counted = getattr(self.request, "axes_failures_since_start", None) is not None
        if name and form.cleaned_data.get("password") and is_counted:
            reason = Reason.PASSWORD if form.get_user() is None else Reason.NOT_STAFF
            record_failure(name, reason=reason, locked_until=form.locked_until, locks_address=form.locks_address)
        return response


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


@login_not_required
@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
def login_code(request: HttpRequest) -> HttpResponseBase:
    """The second step: the code opens the session."""
    pending = request.session.get(PENDING)
    user = None if pending is None else _waiting_user(pending)
    factor = confirmed_factor(user)
    if pending is None or user is None or factor is None:
        request.session.pop(PENDING, None)
        return redirect("admin:login")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _is_right(form, user=user):
        del request.session[PENDING]
        _open_session(request, user, factor=factor)
        safe = url_has_allowed_host_and_scheme(pending["next"], allowed_hosts={request.get_host()})
        return redirect(pending["next"] if safe else settings.LOGIN_REDIRECT_URL)
    return render(
        request, "accounts/login_code.html", {**admin.site.each_context(request), "title": "Log in", "form": form}
    )


@login_not_required  # the admin site leads who is not logged in to its own page
def log_out(request: HttpRequest) -> HttpResponseBase:
    """Log out, as the admin site does, and record it."""
    with transaction.atomic():
        if request.method == "POST" and isinstance(request.user, User):
            record_logout(request.user)
        answer: HttpResponseBase = admin.site.admin_view(admin.site.logout)(request)
    return answer


def _waiting_user(pending: dict[str, Any]) -> User | None:
    """Give who gave the password, unless that was too long ago, or it, or they, do not count any more."""
    user = load_user(pending["user"])
    if user is None or not user.is_active or time.time() - pending["at"] > PENDING_SECONDS:
        return None
    return user if constant_time_compare(pending["password"], user.get_session_auth_hash()) else None


def _is_right(form: CodeForm, *, user: User) -> bool:
    try:
        if check_code(user.pk, form.cleaned_data["code"]):
            return True
        form.add_error("code", "This code is wrong, or was used already.")
        record_failure(user.get_username(), reason=Reason.CODE)
    except (InvalidStateTransitionError, UnsealError) as refusal:
        form.add_error("code", str(refusal))
    return False


def _open_session(request: HttpRequest, user: User, *, factor: Any = None) -> None:
    with transaction.atomic():
        login(request, user, backend=BACKEND)
        record_login(user, two_factor=factor is not None)
    if factor is not None:
        request.session[SESSION_KEY] = str(factor.enrolment)
