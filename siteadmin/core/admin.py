"""Bases of the admin pages: big tables are not counted, and what the pipeline owns is looked at only."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from siteadmin.core.exceptions import SecurityIntelligenceError
from siteadmin.core.pagination import count_rows

R = TypeVar("R", bound=Model)


def act_on_each(request: HttpRequest, rows: Iterable[R], act: Callable[[R], object], *, done: str) -> None:
    """Do it with each row, and say on the page how many were done and what was refused."""
    count = 0
    for row in rows:
        try:
            act(row)
            count += 1
        except SecurityIntelligenceError as refusal:
            messages.error(request, f"{row}: {refusal.message}")
    if count:
        messages.success(request, f"{count} {done}.")


class EstimatedCountPaginator(Paginator[Model]):
    """An exact count of short lists, the planner's estimate of long ones, filtered or not."""

    @cached_property
    def count(self) -> int:
        """Give the number of rows."""
        rows: Any = self.object_list
        return count_rows(rows)[0]


class BaseAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Base of all admin pages of big tables."""

    paginator = EstimatedCountPaginator
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    compressed_fields = True

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Give the row; an id that no row can have (PostgreSQL keeps no NUL) is one that nothing has."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)


class ReadOnlyAdmin(BaseAdmin):
    """Rows that the pipeline owns: to be seen, not to be changed by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows by hand."""
        return False
