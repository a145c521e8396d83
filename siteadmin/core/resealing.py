"""Seals anew, under the present SECRET_KEY, what was sealed under an older one; then the older one may go.

Every sealed field of every model is looked through. A row that somebody changes meanwhile is left as they made it:
what they wrote is sealed under the present key anyway.
"""

from dataclasses import dataclass

from django.apps import apps

from siteadmin.core.fields import SealedObjectField, SealedTextField
from siteadmin.core.sealed_repositories import SealedValues
from siteadmin.core.sealing import UnsealError, reseal


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of the values of one field."""

    field: str
    """Such as `alerts.Channel.secret`."""
    changed: int = 0
    current: int = 0
    """Sealed under the present key already."""
    unreadable: int = 0
    """Sealed under a key that is not there any more: left as they are."""


def reseal_all() -> list[Resealed]:
    """Seal anew whatever is not sealed under the present key; a second run changes nothing."""
    return [
        _reseal_field(f"{model._meta.label}.{field.name}", SealedValues(model, field.name))
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedTextField | SealedObjectField)
    ]


def _reseal_field(name: str, values: SealedValues) -> Resealed:
    changed = current = unreadable = 0
    for row_id, sealed in values.read():
        try:
            anew = reseal(sealed)
        except UnsealError:
            unreadable += 1
            continue
        if anew != sealed and values.replace(row_id, old=sealed, new=anew):
            changed += 1
        else:
            current += 1
    return Resealed(name, changed=changed, current=current, unreadable=unreadable)
