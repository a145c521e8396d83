"""What a rule's form, as it is filled in, would have made of the last days; nothing of it is stored."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.admin.rule_form import AlertRuleForm
from alerts.messages import STATES
from alerts.models import AlertRule
from alerts.services.preview import preview_rule
from alerts.services.rule_changes import check_rule
from siteadmin.core.exceptions import ValidationError

DAYS = 7
SHOWN = 50
"""Matches, and events without a match, that are listed; all are counted."""


def show_preview(
    request: HttpRequest, form: AlertRuleForm, *, original: AlertRule | None, address: str, back: str
) -> HttpResponse:
    """Show a filled in form's preview; a browser without JavaScript gets a page of its own, which leads `back`."""
    name = form.data.get("name") or "a new rule"
    context = {
        **admin.site.each_context(request),
        "title": f"Preview of {name}",
        "name": name,
        "back": back,
        "preview_url": address,
        **_preview(form, original=original),
    }
    whole = not request.htmx  # type: ignore[attr-defined]  # set by django-htmx's middleware
    return render(request, "alerts/preview.html" if whole else "alerts/preview_panel.html", context)


def _preview(form: AlertRuleForm, *, original: AlertRule | None) -> dict[str, Any]:
    if not form.is_valid():
        labels = {name: field.label or name.replace("_", " ").capitalize() for name, field in form.fields.items()}
        return {
            "errors": [
                f"{labels[name]}: {text}" if name in labels else str(text)
                for name, texts in form.errors.items()
                for text in texts
            ]
        }
    fields, channel_ids = form.rule_fields, form.cleaned_data["channel_ids"]
    rule = AlertRule(pk=None if original is None else original.pk, **fields)
    try:
        check_rule(original, fields=fields, channel_ids=channel_ids)
        result = preview_rule(rule, channel_ids=channel_ids, days=DAYS)
    except ValidationError as refusal:
        return {"errors": list(dict.fromkeys(error["detail"] for error in refusal.errors)) or [f"{refusal.message}."]}
    matches, misses = result.matches[-SHOWN:], result.misses[:SHOWN]
    hidden = result.event_count - len(matches) - len(misses)
    return {
        "rule": rule,
        "about_cameras": STATES.get(rule.trigger, ""),
        "result": result,
        "matches": matches,
        "misses": misses,
        "hidden": hidden,
    }
