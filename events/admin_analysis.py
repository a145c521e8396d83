"""Admin pages of what services outside are asked: prompts, analyses and enrichments."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from events.analyzers.prompts import PLACEHOLDERS
from events.choices import ANALYZE_PROMPT, WorkState
from events.models import Analysis, Enrichment, Event, PromptVersion
from events.services import prompts
from siteadmin.core.admin import BaseAdmin, ReadOnlyAdmin
from siteadmin.core.exceptions import InvalidInputError, PromptVersionConflictError


class PromptForm(forms.ModelForm[PromptVersion]):
    """A new version, written on the one in force; `expected_version` tells whether somebody else wrote one since."""

    expected_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = PromptVersion
        fields = ("text", "note")

    def clean_text(self) -> str:
        """Refuse what a model cannot be asked by."""
        text: str = self.cleaned_data["text"]
        try:
            prompts.check_text(text)
        except InvalidInputError as error:
            raise forms.ValidationError(error.message, code="invalid_prompt") from error
        return text


@admin.register(PromptVersion)
class PromptVersionAdmin(BaseAdmin):
    """All versions; a new one is in force at once, and none is ever changed."""

    form = PromptForm
    list_display = ("__str__", "is_active", "note", "created_by", "created_at")
    list_filter = ("name",)
    fields = ("text", "note")
    actions: ClassVar = ["activate"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Show who wrote it; take what it was written on."""
        if obj is None:
            return ("text", "note", "expected_version")
        return ("name", "version", "is_active", "text", "note", "created_by", "created_at")

    def get_rows(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        """Give all versions, the first one included that comes with the site."""
        prompts.ensure_prompts()
        rows: QuerySet[PromptVersion] = super().get_rows(request)
        return rows

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the version in force."""
        active = prompts.get_prompt(ANALYZE_PROMPT)
        return {"text": active.text, "expected_version": active.version}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Say what the text may hold."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "text" and field is not None:
            rows = ((f"{{{name}}}", meaning) for name, meaning in PLACEHOLDERS.items())
            field.help_text = format_html_join("", "<code>{}</code> {}<br>", rows)
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may manage prompts may see them."""
        return request.user.has_perm("events.change_promptversion")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No version is ever changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events keep the version that judged them."""
        return False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show and take the form; somebody else's new version is not put out of force unseen."""
        try:
            answer: HttpResponseBase = super().changeform_view(request, *args, **kwargs)
        except PromptVersionConflictError as refusal:
            messages.error(request, f"Nothing was saved: {refusal.message}.")
            return redirect(request.path)
        return answer

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: PromptForm, change: bool) -> None:  # noqa: FBT001
        """Write the version by the service."""
        values = form.cleaned_data
        made = prompts.add_version(
            ANALYZE_PROMPT,
            text=values["text"],
            note=values["note"],
            expected_version=values["expected_version"],
            created_by=str(request.user),
        )
        obj.pk, obj.name, obj.version = made.pk, made.name, made.version

    @admin.action(description="Put in force again, as a new version", permissions=["add"])
    def activate(self, request: HttpRequest, queryset: QuerySet[PromptVersion]) -> None:
        """Go back to an old version."""
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            messages.error(request, "Choose one version.")
            return
        made = prompts.activate_version(chosen[0].name, chosen[0].version, created_by=str(request.user))
        messages.success(request, f"Version {made.version} is in force, with the text of version {chosen[0].version}.")


@admin.register(Analysis)
class AnalysisAdmin(ReadOnlyAdmin):
    """What the configured analyzer was asked; the pipeline owns these rows."""

    list_display = ("event", "state", "score", "prompt_version", "error", "requested_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("event", "prompt_version")
    sortable_by = ("requested_at",)


@admin.register(Enrichment)
class EnrichmentAdmin(ReadOnlyAdmin):
    """What services were asked about detections; the pipeline owns these rows."""

    list_display = ("detection", "service", "state", "error", "requested_at", "finished_at")
    list_filter = ("state", "service")
    list_select_related = ("detection",)
    sortable_by = ("requested_at",)


def analysis_panel(event: Event, request: HttpRequest) -> SafeString:
    """Tell on an event's page what the configured analyzer made of it; nothing where none was asked."""
    found: Analysis | None = getattr(event, "analysis", None)
    if found is None:
        return SafeString("")
    address = reverse("admin:events_analysis_change", args=[found.pk])
    told = {
        WorkState.WAITING: "The analyzer has not answered yet; the score is the built-in one.",
        WorkState.DONE: f"Scored {found.score} by {found.model}, prompt version "
        f"{found.prompt_version.version if found.prompt_version else '–'}.",
        WorkState.FAILED: f"Analysis failed, the built-in score was kept: {found.error}",
        WorkState.SKIPPED: "No analyzer was asked.",
    }
    return format_html(
        '<div class="sa-row"><h2>Analysis</h2><a href="{}">Details</a></div><p>{}</p>',
        address,
        told[WorkState(found.state)],
    )
