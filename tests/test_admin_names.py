"""What a page of the admin shows is what its own method says, not a field of the model that has the same name."""

from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist


def _shadowed(page: Any) -> set[str]:
    named = {*page.list_display, *page.readonly_fields, *(page.fields or ())}
    own = {name for name in named if hasattr(getattr(page, str(name), None), "short_description")}
    return {name for name in own if _is_field(page.model, name)}


def _is_field(model: Any, name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=str)
def test_no_method_of_a_page_has_the_name_of_a_field_which_would_be_shown_in_its_place(page: Any) -> None:
    assert _shadowed(page) == set()
