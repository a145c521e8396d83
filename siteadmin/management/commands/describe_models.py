"""`manage.py describe_models`: writes docs/data-model.md from the models, so that the page cannot drift from them."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Field, ForeignKey, ManyToManyField, Model

LABELS = ("cameras", "events", "alerts", "accounts", "core")
PAGE = "docs/data-model.md"
INTRODUCTION = """# Data model

Written by `python manage.py describe_models`; a test holds it to the models. The apps stand in the order in which a
picture travels. A row that waits for a step of the pipeline has `due_at`, `attempts`, `claim_token` and `swept_at`
(`siteadmin/core/claims.py`); they are left out below.
"""
OF_CLAIMS = ("attempts", "due_at", "claim_token", "swept_at")


class Command(BaseCommand):
    """Writes the page, or checks it."""

    help = f"Write {PAGE} from the models."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take `--check`."""
        parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it, or fail where it differs."""
        page = settings.BASE_DIR / PAGE
        text = describe()
        if not options["check"]:
            page.write_text(text)
        elif not page.is_file() or page.read_text() != text:
            raise CommandError(f"{PAGE} is out of date: python manage.py describe_models")


def describe() -> str:
    """Give the whole page."""
    models = [model for label in LABELS for model in _models(label)]
    parts = [INTRODUCTION, "```mermaid\nerDiagram"]
    parts += [line for model in models for line in _arrows(model)]
    parts.append("```")
    for label in LABELS:
        parts.append(f"\n## {label}")
        for model in _models(label):
            parts += _section(model)
    return "\n".join(parts) + "\n"


def _models(label: str) -> list[type[Model]]:
    return sorted(apps.get_app_config(label).get_models(), key=lambda model: model.__name__)


def _arrows(model: type[Model]) -> Iterator[str]:
    for field in (*model._meta.fields, *model._meta.many_to_many):
        target = field.related_model
        if isinstance(target, type) and target._meta.app_label in LABELS:
            ends = "}o--o{" if isinstance(field, ManyToManyField) else "}o--||"
            yield f"    {model.__name__} {ends} {target.__name__} : {field.name}"


def _section(model: type[Model]) -> list[str]:
    first = (model.__doc__ or "").strip().splitlines()[0]
    rows = [_row(field) for field in model._meta.fields if field.name not in OF_CLAIMS]
    waits = [""] if not hasattr(model, "claim_token") else ["\nWaits for a step of the pipeline."]
    head = ["", "| field | type | meaning |", "|---|---|---|"]
    return [f"\n### {model.__name__}\n", first, *[line for line in waits if line], *head, *rows]


def _row(field: "Field[Any, Any]") -> str:
    kind = field.get_internal_type().removesuffix("Field")
    if isinstance(field, ForeignKey):
        target = field.related_model
        kind = f"to {target.__name__ if isinstance(target, type) else target}"
    if field.null:
        kind += ", may be empty"
    choices = ", ".join(f"`{value}`" for value, _ in field.flatchoices if value)
    meaning = " ".join(part for part in (str(field.help_text), choices) if part).replace("|", "\\|").replace("\n", " ")
    return f"| `{field.name}` | {kind} | {meaning} |"
