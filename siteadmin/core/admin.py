"""Bases of the admin pages: big tables are not counted, and what the pipeline owns is looked at only."""

from typing import Any

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin


class EstimatedCountPaginator(Paginator[Model]):
    """The planner's estimate for a big unfiltered list, an exact count in every other case."""

    EXACT_BELOW = 10_000

    @cached_property
    def count(self) -> int:
        """Give the number of rows; one that was never analysed (-1) is counted."""
        rows: Any = self.object_list
        if rows.query.where or rows.query.distinct:
            return int(rows.count())
        with connections[rows.db].cursor() as cursor:
            table = rows.model._meta.db_table
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [f'"{table}"'])
            found = cursor.fetchone()
        estimate = int(found[0]) if found else -1
        return estimate if estimate >= self.EXACT_BELOW else int(rows.count())


class BaseAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Base of all admin pages of big tables."""

    paginator = EstimatedCountPaginator
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True
    compressed_fields = True


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
