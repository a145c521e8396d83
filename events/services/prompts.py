"""Prompts as versioned data: the newest version is the one in force, and old ones come back as new ones."""

from django.db import transaction

from events.analyzers import prompts
from events.choices import ANALYZE_PROMPT
from events.models import PromptVersion
from siteadmin.core.audit import record, state_of
from siteadmin.core.exceptions import InvalidInputError, PromptNotFoundError, PromptVersionConflictError

FIRST_TEXTS = {ANALYZE_PROMPT: prompts.DEFAULT_PROMPT}
"""Every prompt there is, with the text that it begins with."""


def ensure_prompts() -> None:
    """Store the first version of every prompt that has none yet."""
    for name, text in FIRST_TEXTS.items():
        if PromptVersion.objects.get_active(name) is None:
            PromptVersion.objects.add_first(name, text=text)


def get_prompt(name: str) -> PromptVersion:
    """Give the version in force; PromptNotFoundError for a name that is none."""
    found = PromptVersion.objects.get_active(name)
    if found is None and name in FIRST_TEXTS:
        PromptVersion.objects.add_first(name, text=FIRST_TEXTS[name])
        found = PromptVersion.objects.get_active(name)
    if found is None:
        raise PromptNotFoundError(name)
    return found


def get_version(name: str, version: int) -> PromptVersion:
    """Give one version; PromptNotFoundError where there is none."""
    get_prompt(name)
    found = PromptVersion.objects.get_version(name, version)
    if found is None:
        raise PromptNotFoundError(name, message=f"Prompt '{name}' has no version {version}")
    return found


def add_version(
    name: str, *, text: str, expected_version: int | None, note: str = "", created_by: str = ""
) -> PromptVersion:
    """Store a new version and put it in force.

    PromptVersionConflictError where `expected_version` is not the newest any more; InvalidInputError for a text that
    cannot be used.
    """
    check_text(text)
    get_prompt(name)
    with transaction.atomic():
        newest = PromptVersion.objects.lock_newest(name)
        if expected_version is not None and expected_version != newest:
            raise PromptVersionConflictError(
                f"The newest version is {newest}, not {expected_version}",
                details={"prompt": name, "version": newest, "expected_version": expected_version},
            )
        made = PromptVersion.objects.add_active(name, version=newest + 1, text=text, note=note, created_by=created_by)
        record("create", made, before={"version": newest}, after=state_of(made))
        return made


def activate_version(
    name: str, version: int, *, expected_version: int | None = None, created_by: str = ""
) -> PromptVersion:
    """Put an old version's text in force again as a new version; raises as `add_version` does."""
    old = get_version(name, version)
    return add_version(
        name,
        text=old.text,
        expected_version=expected_version,
        note=f"Version {version} again",
        created_by=created_by,
    )


def check_text(text: str) -> None:
    """Raise InvalidInputError, which names the field, for a text that cannot be used as a prompt."""
    try:
        prompts.check_prompt(text)
    except prompts.PromptError as error:
        raise InvalidInputError(
            str(error), errors=[{"field": "text", "code": "invalid_prompt", "detail": str(error)}]
        ) from error
