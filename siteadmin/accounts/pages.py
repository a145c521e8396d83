"""Where people set up and end their own two-factor login."""

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from siteadmin.accounts.login import CodeForm
from siteadmin.accounts.sessions import SESSION_KEY, confirmed_factor
from siteadmin.accounts.two_factor import (
    begin_enrolment,
    check_code,
    confirm_enrolment,
    remove_second_factor,
    renew_recovery_codes,
    show_enrolment,
)
from siteadmin.core.exceptions import InvalidInputError, InvalidStateTransitionError
from siteadmin.core.sealing import UnsealError

REFUSALS = (InvalidInputError, InvalidStateTransitionError, UnsealError)


@never_cache
@staff_member_required
@require_http_methods(["GET", "POST"])
def two_factor(request: HttpRequest) -> HttpResponseBase:
    """Show whether it is on, and do what the button says."""
    if request.method != "POST":
        return _show(request, CodeForm())
    step = request.POST.get("step", "")
    if step == "begin":
        try:
            begin_enrolment(request.user)  # type: ignore[arg-type]  # a member of staff
        except InvalidStateTransitionError as refusal:
            messages.error(request, refusal.message)
        return redirect("two-factor")
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _show(request, form)
    try:
        return _with_code(request, step, form)
    except REFUSALS as refusal:
        form.add_error("code", str(refusal))
        return _show(request, form)


def _with_code(request: HttpRequest, step: str, form: CodeForm) -> HttpResponseBase:
    user, code = request.user, form.cleaned_data["code"]
    assert user.pk is not None
    if step == "confirm":
        codes = confirm_enrolment(user, code)
        user.refresh_from_db()
        # This session has shown the code; the user's others begin anew.
        request.session[SESSION_KEY] = str(user.two_factor.enrolment)
        return _show(request, CodeForm(), codes=codes)
    if not check_code(user.pk, code):
        raise InvalidInputError("This code is wrong, or was used already")
    if step == "renew":
        return _show(request, CodeForm(), codes=renew_recovery_codes(user))
    if step == "off" and not settings.TWO_FACTOR_REQUIRED:
        remove_second_factor(user)
        messages.success(request, "Two-factor login is off.")
    return redirect("two-factor")


def _show(request: HttpRequest, form: CodeForm, *, codes: list[str] | None = None) -> HttpResponse:
    factor = confirmed_factor(request.user)
    try:
        waiting = None if factor is not None else show_enrolment(request.user)  # type: ignore[arg-type]
    except UnsealError:
        waiting = None  # begun under an older SECRET_KEY; begin anew
    context = {
        **admin.site.each_context(request),
        "title": "Two-factor login",
        "form": form,
        "factor": factor,
        "left": len(codes or (factor.recovery_hashes if factor is not None else ())),
        "enrolment": waiting,
        "codes": codes,
        "is_required": settings.TWO_FACTOR_REQUIRED,
    }
    return render(request, "accounts/two_factor.html", context)
