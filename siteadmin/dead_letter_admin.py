"""The admin page of dead letters: each requeued or discarded, or all that a filter leaves."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.forms import ActionForm

from siteadmin.core.admin import ServiceAdmin, act_on_each
from siteadmin.core.dead_letters import discard_letter, requeue_letter
from siteadmin.core.models import DeadLetter


class ReasonForm(ActionForm):  # type: ignore[misc]  # unfold has no types
    """The action, and why."""

    reason = forms.CharField(
        label="",
        required=False,
        max_length=2000,
        widget=forms.TextInput(
            attrs={
                "aria-label": "Reason",
                "placeholder": "Why (to discard)",
                "x-show": "action === 'discard_letters'",
                "class": "bg-white/20 font-medium px-3 py-1 rounded-default text-white placeholder-white/60 lg:w-72",
            }
        ),
    )


@admin.register(DeadLetter)
class DeadLetterAdmin(ServiceAdmin):
    """Work that failed for good."""

    list_display: ClassVar = ["task", "subject", "state", "error", "attempts", "last_failed_at"]
    list_filter: ClassVar = ["state", "queue", "task"]
    search_fields: ClassVar = ["=subject", "error"]
    search_help_text = "Searches errors' texts and whole subjects"
    action_form = ReasonForm
    actions: ClassVar = ["requeue_letters", "discard_letters"]
    actions_submit_line: ClassVar = ["requeue", "discard"]
    fields: ClassVar = [
        "task",
        "subject",
        "state",
        "error",
        "attempts",
        "first_failed_at",
        "last_failed_at",
        "given",
        "reason",
        "settled_at",
        "settled_by",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """What failed makes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What nobody needs is discarded."""
        return False

    def has_settle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may change dead letters may requeue and discard them."""
        return request.user.has_perm("core.change_deadletter")

    def has_change_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        """Let an open letter's page take a reason; all else on it is nobody's to edit."""
        is_open = obj is None or obj.state == DeadLetter.State.DEAD
        return is_open and self.has_settle_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: DeadLetter | None = None) -> list[str]:
        """Take a reason as long as the letter is open."""
        is_open = obj is not None and obj.state == DeadLetter.State.DEAD
        return [name for name in self.fields if name != "reason" or not is_open]

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer the steps as long as the letter is open."""
        letter = None if object_id is None else self.get_object(request, str(object_id))
        is_open = letter is not None and letter.state == DeadLetter.State.DEAD
        return list(super().get_actions_submit_line(request, object_id)) if is_open else []

    @admin.display(description="What it was given")
    def given(self, letter: DeadLetter) -> SafeString:
        """Show the payload as it is written."""
        text = json.dumps(letter.payload, indent=2, ensure_ascii=False)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show the letter, with a button for each step."""
        hidden = dict.fromkeys(("show_save", "show_save_and_continue", "show_save_and_add_another"), False)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **hidden})

    def save_model(self, request: HttpRequest, obj: DeadLetter, form: Any, change: bool) -> None:  # noqa: FBT001
        """Do what the button says; the row itself is the pipeline's."""
        self.press_button(request, obj)

    @action(description="Requeue", permissions=["settle"])  # type: ignore[untyped-decorator]
    def requeue(self, request: HttpRequest, obj: DeadLetter) -> None:
        """Let the work be done again."""
        requeue_letter(obj.pk, by=request.user.get_username())

    @action(description="Discard", permissions=["settle"])  # type: ignore[untyped-decorator]
    def discard(self, request: HttpRequest, obj: DeadLetter) -> None:
        """Let the work go, for the reason on the page."""
        discard_letter(obj.pk, by=request.user.get_username(), reason=obj.reason)

    @admin.action(description="Requeue: try the work again", permissions=["settle"])
    def requeue_letters(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Make each letter's row wait for its step again."""
        self._settle(request, queryset, requeue_letter, done="requeued")

    @admin.action(description="Discard: let it go", permissions=["settle"])
    def discard_letters(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Close each letter without doing its work."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            messages.error(request, "Say why the work is let go.")
            return
        self._settle(request, queryset, partial(discard_letter, reason=reason), done="discarded")

    def _settle(
        self, request: HttpRequest, letters: QuerySet[DeadLetter], act: Callable[..., None], *, done: str
    ) -> None:
        by = request.user.get_username()
        act_on_each(request, letters.order_by("first_failed_at", "pk"), lambda one: act(one.pk, by=by), done=done)
