"""Filling in the forms of admin pages as a browser would: what the page shows is sent back, but for what is said."""

from collections.abc import Iterator
from typing import Any

from django.forms import BoundField
from django.test import Client


def filled_in(client: Client, address: str, **said: Any) -> dict[str, Any]:
    """Give the page's form as it would be posted, with these values in place of its own."""
    page = client.get(address)
    assert page.status_code == 200, address
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    shown = {name: value for form in forms for field in form for name, value in _values(field)}
    return shown | said


def _values(field: BoundField) -> Iterator[tuple[str, Any]]:
    value: Any = field.value()
    widgets = getattr(field.field.widget, "widgets", None)
    if widgets is not None:
        parts: Any = field.field.widget.decompress(value)  # type: ignore[attr-defined]  # a MultiWidget's
        for number, part in enumerate(parts):
            if part is not None:
                yield f"{field.html_name}_{number}", str(part)
    elif value is True:
        yield field.html_name, "on"
    elif value is not None and value is not False:
        yield field.html_name, value
